"""900 pictures on the miniature: 45 prompts, 10 pictures each by the base model and by an adapter, drawn and scored.

The stages sample and evaluate as they stand, each a process of its own with its loading, in a folder of their own whose
work store is empty. The adapter is untrained (random g, so that both arms differ), which costs what a trained one does.

    python -m bench.evaluation [--threads 2]
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bench.results import save
from bench.stages import measure_apart
from pipeline import llm
from pipeline.adapters import folder as adapters
from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter
from pipeline.files import read_json
from pipeline.losses import LossParams
from pipeline.params import load
from pipeline.vae import DiffusionParams

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / "profiles/miniature.yaml"
ADAPTER = "data/train/adapter"
SKILLS = 3
GOAL_S = 240
STAGES = ("sample", "evaluate")


@dataclass(frozen=True)
class Size:
    """How much is drawn: prompts of each of the three skills, pictures of each prompt and arm, threads of torch."""

    prompts_per_skill: int = 15
    images_per_prompt: int = 10
    threads: int = os.cpu_count() or 1

    @property
    def pictures(self) -> int:
        """Of both arms."""
        return 2 * SKILLS * self.prompts_per_skill * self.images_per_prompt


def prepare(folder: Path, size: Size, changes: Mapping[str, Any] | None = None) -> None:
    """Everything that both stages read, in an empty folder: links to models and prompts, settings, an adapter.

    Args:
        folder: theirs.
        size: of the run.
        changes: further keys of section ``sample``.
    """
    for name in ("miniature", "prompts"):
        (folder / name).symlink_to(ROOT / name)
    yaml = YAML()
    settings = yaml.load(PROFILE.read_text(encoding="utf-8"))
    settings["sample"] |= {
        "limit_per_type": size.prompts_per_skill,
        "images_per_prompt": size.images_per_prompt,
        "reference_arms": [],
        **(changes or {}),
    }
    settings["compute"]["threads"] = size.threads
    with (folder / "params.yaml").open("w", encoding="utf-8") as stream:
        yaml.dump(settings, stream)
    _write_adapter(folder / ADAPTER)


def _write_adapter(target: Path) -> None:
    base, language = load(DiffusionParams, "diffusion", PROFILE), load(llm.LlmParams, "llm", PROFILE)
    config = load(AdapterParams, "adapter", PROFILE).model_copy(update={"g_init": "kaiming"})
    loss = load(LossParams, "loss", PROFILE)
    adapter = SurAdapter(
        config,
        width=_width(ROOT / base.model / "text_encoder"),
        llm_width=_width(ROOT / language.model),
        w0_seed=loss.w0_seed,
    )
    adapters.save(
        target,
        adapter,
        base=adapters.Named(model=base.model, revision=base.revision),
        llm=adapters.LlmNamed(model=language.model, revision=language.revision, layer=language.layer),
        w0_seed=loss.w0_seed,
        llm_scale=loss.llm_scale,
        steps=0,
    )


def _width(model: Path) -> int:
    """Of the states that a model gives."""
    return int(read_json(model / "config.json")["hidden_size"])


def measured(folder: Path, size: Size) -> dict[str, float]:
    """Run both stages in a prepared folder.

    Args:
        folder: see :func:`prepare`; its work store is new.
        size: what it was prepared for.

    Raises:
        SystemExit: a stage failed, or drew another number of pictures.
    """
    own = {"PYTHONPATH": str(ROOT), "SUR_WORK": str(folder / "work"), "OMP_NUM_THREADS": str(size.threads)}
    figures: dict[str, float] = {"pictures": size.pictures, "threads": size.threads}
    for stage in STAGES:
        command = f"'{sys.executable}' -m stages.{stage}"
        wall, processor, peak = measure_apart(command, folder, {**os.environ, **own})
        figures |= {f"{stage}_s": wall, f"{stage}_processor_s": processor, f"{stage}_peak_mb": peak}
        done = read_json(folder / "data" / stage / "report.json")["out"]
        if done != size.pictures:
            raise SystemExit(f"{stage}: {done} pictures instead of {size.pictures}")
    figures["all_s"] = sum(figures[f"{stage}_s"] for stage in STAGES)
    return figures


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=Size.threads, help="of torch (default: all cores)")
    size = Size(threads=parser.parse_args().threads)
    with tempfile.TemporaryDirectory() as made:
        prepare(Path(made), size)
        figures = measured(Path(made), size)
    for name, value in figures.items():
        print(f"{name:24}{value:10,.1f}{f'  (goal: {GOAL_S} or less)' if name == 'all_s' else ''}")
    print(save("evaluation", {name: round(value, 1) for name, value in figures.items()}))


if __name__ == "__main__":
    main()

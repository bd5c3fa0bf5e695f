"""docs/real-shapes.md, made from the figures of the last run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.markdown import templates
from bench.real_run import profile, shapes
from bench.results import FOLDER
from bench.scale.words import seconds
from pipeline import files

PAGE = Path(__file__).parents[2] / "docs" / "real-shapes.md"
RESULT = FOLDER / "real_run.json"
TEMPLATE = "real-shapes.md.j2"
ALL = "all"
FIGURES = ("wall_s", "cpu_s", "peak_gb", "gpu_peak_gb")


@dataclass(frozen=True)
class Kept:
    """A run's figures and what they were measured on."""

    figures: Mapping[str, float]
    machine: Mapping[str, Any]


def kept(path: Path = RESULT) -> Kept | None:
    """The last run; None where none was kept."""
    if not path.is_file():
        return None
    found = files.read_json(path)
    return Kept(found["figures"], found["machine"])


def render(last: Kept | None) -> str:
    """The whole page."""
    environment = templates(Path(__file__).parent)
    facts = {
        "last": last,
        "table": table(last.figures) if last else "",
        "wall": seconds(last.figures["all_wall_s"]) if last else "",
        "shapes": shapes.real(),
        "changes": [(key, value) for key, value in profile.CHANGES.items() if value != profile.FILLED],
        "filled": [key for key, value in profile.CHANGES.items() if value == profile.FILLED],
    }
    return environment.get_template(TEMPLATE).render(**facts)


def table(figures: Mapping[str, float]) -> str:
    """Time and memory by stage as a Markdown table, all stages last; the GPU's column where there is one."""
    stages = [name.removesuffix("_wall_s") for name in figures if name.endswith("_wall_s")]
    gpu = any(name.endswith("_gpu_peak_gb") for name in figures)
    head = ["stage", "wall, s", "processor, s", "peak memory, GB", *(["of the GPU, GB"] if gpu else [])]
    rows = [head, ["---"] * len(head)]
    for stage in [*(stage for stage in stages if stage != ALL), ALL]:
        values = [figures.get(f"{stage}_{figure}") for figure in FIGURES[: len(head) - 1]]
        rows.append([f"`{stage}`" if stage != ALL else "all", *("" if v is None else f"{v:.1f}" for v in values)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)

"""Stage ``sample``: pictures of the evaluation prompts by the base model and by the adapted one, in paired seeds.

Reads     data/train/adapter             the trained adapter; where that reads prompts, the LLM of its config.json
          the prompt files that sample.prompts and sample.expanded name, and the conditioning pictures of
          sample.controlnets
Writes    data/sample/parts              generated.GENERATED
          data/sample/manifest.parquet   generated.MANIFEST: the same without pictures
          data/sample/report.json        pictures by method, arm and type
          data/sample/grids.png          the arms side by side, same seed; a line of them for each method
Params    sample, diffusion
"""

import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from pipeline import (
    cli,
    diffusion,
    engine,
    operating,
    prompt_states,
    prompts,
    sample_grids,
    samples,
    shots,
    tables,
)
from pipeline.adapters import folder
from pipeline.engine import ComputeParams
from pipeline.errors import EmptyResultError
from pipeline.files import atomic_file
from pipeline.gallery import Gallery
from pipeline.generated import GENERATED, MANIFEST
from pipeline.methods import building
from pipeline.methods.settings import PLAIN, MethodName
from pipeline.operating import Operator, Runner
from pipeline.painting import Painter, adapter_digest
from pipeline.params import load
from pipeline.prompt_states import PromptStates
from pipeline.prompts import Prompt
from pipeline.sample_settings import SampleParams
from pipeline.sampling import Sampler
from pipeline.shots import Shot
from pipeline.vae import DiffusionParams

ADAPTER = Path("data/train/adapter")
TARGET = Path("data/sample")
SHOWN_PROMPTS = 4
ROWS_PER_SHARD = samples.ROWS_PER_SHARD


def main() -> None:
    """Make the pictures with the adapter that was trained; the LLM reads the prompts first where it needs them read."""
    config, base = load(SampleParams, "sample"), load(DiffusionParams, "diffusion")
    compute = load(ComputeParams, "compute")
    chosen = shots.chosen(config)
    run = engine.runner(compute)
    texts = [*(prompt.text for prompt in chosen), config.negative_prompt]
    states = prompt_states.read(
        folder.read_config(ADAPTER), texts, build=functools.partial(prompt_states.load, compute), run=run
    )
    build = functools.partial(_painter, config, base, compute, states)
    sample(ADAPTER, TARGET, chosen, config, base, build=build, unit=compute.sample_batch, run=run)


def _painter(
    config: SampleParams, base: DiffusionParams, compute: ComputeParams, states: PromptStates | None, method: MethodName
) -> Painter:
    device = engine.device(compute)
    model = diffusion.load(base.model, base.revision, device=device, dtype=getattr(torch, base.dtype))
    named = folder.Named(model=base.model, revision=base.revision)
    adapter = folder.load(ADAPTER, base=named, width=model.text_width, device=device, unet=model.unet)
    unet = folder.load_unet(ADAPTER, model.unet)
    made = building.build(method, config, config.denoising, model, adapter)
    sampler = Sampler(model, adapter, config.denoising, method=made, unet=unet, llm_states=states)
    return Painter(sampler, compute.sample_batch)


def sample(
    adapter: Path,
    target: Path,
    chosen: Sequence[Prompt],
    config: SampleParams,
    base: DiffusionParams,
    *,
    build: Callable[[MethodName], Operator],
    unit: int,
    run: Runner = operating.local,
) -> None:
    """Write the pictures of all methods and arms; what an earlier experiment made in the same way is not made again.

    Args:
        adapter: the trained adapter's folder.
        target: the stage's folder.
        chosen: the prompts.
        config: decides the pictures, with the base model and the adapter.
        base: the base model.
        build: makes a method's operator (loads the models); called only when a picture is missing.
        unit: pictures that are made and kept together.
        run: where.

    Raises:
        ModelError: the adapter folder is missing or damaged.
        EmptyResultError: there is no prompt.
        InputError: a prompt lacks its conditioning picture.
    """
    if not chosen:
        raise EmptyResultError("sample: the files of sample.prompts hold no prompt")
    trained = folder.read_config(adapter)
    gallery = Gallery(adapter_digest(adapter, config), config, base, build=build, unit=unit, run=run)
    planned = shots.plan(chosen, config)
    for method in config.methods:
        gallery.make([shot for shot in planned if shot.method == method])
    parts = tables.write_shards(_generated(planned, gallery), target / "parts", GENERATED, rows=ROWS_PER_SHARD)
    tables.write(_manifest(planned, parts, base.model), target / "manifest.parquet", MANIFEST)
    _grids(prompts.first_of_each_type(chosen, SHOWN_PROMPTS), planned, gallery, target / "grids.png")
    arms = Counter(shot.arm for shot in planned)
    types = Counter(prompt.type for prompt in chosen)
    figures: dict[str, Any] = {"pictures": dict(arms), "prompts": dict(types), "eta": trained.adapter.eta}
    if config.methods != (PLAIN,):
        figures["methods"] = dict(Counter(shot.method for shot in planned))
    samples.write_report(target / "report.json", len(chosen), len(planned), **figures)
    cli.say(f"sample: {len(planned):,} pictures of {len(chosen):,} prompts, " + ", ".join(sorted(arms)))


def _generated(planned: Sequence[Shot], gallery: Gallery) -> Iterator[pa.Table]:
    """Table GENERATED, held a shard at a time."""
    for start in range(0, len(planned), ROWS_PER_SHARD):
        part = planned[start : start + ROWS_PER_SHARD]
        yield tables.from_rows(map(_row, part, gallery.pictures(part)), GENERATED)


def _row(shot: Shot, picture: bytes) -> dict[str, Any]:
    named = {"sample_id": shot.sample_id, "arm": shot.arm, "prompt_id": shot.prompt.id, "index": shot.index}
    return {**named, "seed": shot.seed, "image": {"bytes": picture, "path": None}}


def _manifest(planned: Sequence[Shot], parts: Sequence[Path], model: str) -> pa.Table:
    """Table MANIFEST, with the digests of the pictures as they were written."""
    by_id = {shot.sample_id: shot for shot in planned}
    rows = []
    for part in parts:
        for row in tables.read(part, GENERATED).to_pylist():
            shot, picture = by_id[row["sample_id"]], row.pop("image")["bytes"]
            about = {"model": model, "method": shot.method, "type": shot.prompt.type, "text": shot.text}
            rows.append({**row, **about, "part": part.name, "sha256": hashlib.sha256(picture).hexdigest()})
    return tables.from_rows(rows, MANIFEST)


def _grids(shown: Sequence[Prompt], planned: Sequence[Shot], gallery: Gallery, path: Path) -> None:
    with atomic_file(path) as temporary:
        sample_grids.draw([prompt.id for prompt in shown], planned, gallery.pictures).save(temporary, "PNG")


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

"""Stage ``sample``: pictures of the evaluation prompts by the base model and by the adapted one, in paired seeds.

Reads     data/train/adapter             the trained adapter; with kind llm4gen the LLM that its config.json names
          the prompt files that sample.prompts names
Writes    data/sample/parts              generated.GENERATED
          data/sample/manifest.parquet   generated.MANIFEST: the same without pictures
          data/sample/report.json        pictures by arm and type
          data/sample/grids.png          the arms side by side, same seed
Params    sample, diffusion
"""

import dataclasses
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
    encoding,
    engine,
    images,
    operating,
    padded_states,
    prompt_states,
    prompts,
    samples,
    sampling,
    shots,
    tables,
    text_encoding,
    token_states,
    unet_parts,
    vae,
)
from pipeline.adapters import folder, kinds, llm4gen, official, sur
from pipeline.engine import ComputeParams
from pipeline.errors import EmptyResultError
from pipeline.files import atomic_file, file_digest
from pipeline.generated import GENERATED, MANIFEST
from pipeline.llm import LlmParams
from pipeline.operating import Operator, Runner, Work
from pipeline.params import load
from pipeline.prompt_states import PromptStates
from pipeline.prompts import Prompt
from pipeline.sample_settings import SampleParams
from pipeline.sampling import Sampler
from pipeline.shots import RESULT, Painter, Shot
from pipeline.vae import DiffusionParams
from pipeline.work import ResultStore

ADAPTER = Path("data/train/adapter")
TARGET = Path("data/sample")
SHOWN_PROMPTS = 4
ROWS_PER_SHARD = samples.ROWS_PER_SHARD
CODE = (
    *(shots, sampling, encoding, diffusion, text_encoding, vae, unet_parts, padded_states),
    *(kinds, sur, llm4gen, official),
)


def main() -> None:
    """Make the pictures with the adapter that was trained; the LLM reads the prompts first where it needs them read."""
    config, base = load(SampleParams, "sample"), load(DiffusionParams, "diffusion")
    compute = load(ComputeParams, "compute")
    chosen = prompts.first_of_each_type(prompts.read(Path(name) for name in config.prompts), config.limit_per_type)
    run = engine.runner(compute)
    texts = [*(prompt.text for prompt in chosen), config.negative_prompt]
    states = prompt_states.read(folder.read_config(ADAPTER), texts, build=functools.partial(_llm, compute), run=run)
    build = functools.partial(_painter, config, base, compute, states)
    sample(ADAPTER, TARGET, chosen, config, base, build=build, unit=compute.sample_batch, run=run)


def _llm(compute: ComputeParams, config: LlmParams) -> Operator:
    """Loads the LLM of an adapter that reads each prompt with it."""
    return token_states.load_states(
        config,
        config.layer,
        "prompt",
        device=engine.device(compute),
        batch=compute.llm_batch,
        device_map=compute.llm_device_map,
    )


def _painter(
    config: SampleParams, base: DiffusionParams, compute: ComputeParams, states: PromptStates | None
) -> Painter:
    device = engine.device(compute)
    model = diffusion.load(base.model, base.revision, device=device, dtype=getattr(torch, base.dtype))
    named = folder.Named(model=base.model, revision=base.revision)
    adapter = folder.load(ADAPTER, base=named, width=model.text_width, device=device)
    unet = folder.load_unet(ADAPTER, model.unet)
    return Painter(Sampler(model, adapter, config.denoising, unet=unet, llm_states=states), compute.sample_batch)


def sample(
    adapter: Path,
    target: Path,
    chosen: Sequence[Prompt],
    config: SampleParams,
    base: DiffusionParams,
    *,
    build: Callable[[], Operator],
    unit: int,
    run: Runner = operating.local,
) -> None:
    """Write the pictures of all arms; what an earlier experiment made in the same way is taken from the work store.

    Args:
        adapter: the trained adapter's folder; its files' content is part of the adapted pictures' keys.
        target: the stage's folder.
        chosen: the prompts.
        config: decides the pictures, with the base model and the adapter.
        base: the base model.
        build: makes the operator (loads the models); called only when a picture is missing.
        unit: pictures that are made and kept together.
        run: where.

    Raises:
        ModelError: the adapter folder is missing or damaged.
        EmptyResultError: there is no prompt.
    """
    if not chosen:
        raise EmptyResultError("sample: the files of sample.prompts hold no prompt")
    trained = folder.read_config(adapter)
    planned = shots.plan(chosen, config)
    keys = shots.work_keys(planned, file_digest(adapter / folder.CONFIG))
    store = _store(config, base)
    rows = shots.work_table(planned, keys).sort_by("adapted")  # a unit of one arm is drawn by one U-Net, at one length
    run(Work("sample", build, operating.as_they_are, unit), rows, store)
    parts = tables.write_shards(_generated(planned, keys, store), target / "parts", GENERATED, rows=ROWS_PER_SHARD)
    tables.write(_manifest(planned, parts), target / "manifest.parquet", MANIFEST)
    _grids(prompts.first_of_each_type(chosen, SHOWN_PROMPTS), planned, keys, store, target / "grids.png")
    arms = Counter(shot.arm for shot in planned)
    types = Counter(prompt.type for prompt in chosen)
    figures: dict[str, Any] = {"pictures": dict(arms), "prompts": dict(types), "eta": trained.adapter.eta}
    samples.write_report(target / "report.json", len(chosen), len(planned), **figures)
    cli.say(f"sample: {len(planned):,} pictures of {len(chosen):,} prompts, " + ", ".join(sorted(arms)))


def _store(config: SampleParams, base: DiffusionParams) -> ResultStore:
    """Named by what decides any picture beside its text and seed; which prompts and how many of them does not."""
    settings = {"denoising": dataclasses.asdict(config.denoising), "base": base.model_dump()}
    return ResultStore("sample", settings, RESULT, code=CODE)


def _generated(planned: Sequence[Shot], keys: Sequence[str], store: ResultStore) -> Iterator[pa.Table]:
    """Table GENERATED, held a shard at a time."""
    for start in range(0, len(planned), ROWS_PER_SHARD):
        part = slice(start, start + ROWS_PER_SHARD)
        pictures = store.take(keys[part]).column("image").to_pylist()
        yield tables.from_rows(map(_row, planned[part], pictures), GENERATED)


def _row(shot: Shot, picture: bytes) -> dict[str, Any]:
    named = {"sample_id": shot.sample_id, "arm": shot.arm, "prompt_id": shot.prompt.id, "index": shot.index}
    return {**named, "seed": shot.seed, "image": {"bytes": picture, "path": None}}


def _manifest(planned: Sequence[Shot], parts: Sequence[Path]) -> pa.Table:
    """Table MANIFEST, with the digests of the pictures as they were written."""
    by_id = {shot.sample_id: shot for shot in planned}
    rows = []
    for part in parts:
        for row in tables.read(part, GENERATED).to_pylist():
            shot, picture = by_id[row["sample_id"]], row.pop("image")["bytes"]
            digest = hashlib.sha256(picture).hexdigest()
            rows.append({**row, "type": shot.prompt.type, "text": shot.text, "part": part.name, "sha256": digest})
    return tables.from_rows(rows, MANIFEST)


def _grids(
    shown: Sequence[Prompt], planned: Sequence[Shot], keys: Sequence[str], store: ResultStore, path: Path
) -> None:
    """The first picture of some prompts, its arms side by side."""
    arms = sorted({shot.arm for shot in planned}, key=(shots.BASE, shots.ADAPTED, shots.COMPLEX).index)
    place = {(shot.prompt.id, shot.index, shot.arm): at for at, shot in enumerate(planned)}
    chosen = [place[key] for prompt in shown for arm in arms if (key := (prompt.id, 0, arm)) in place]
    pictures = store.take([keys[at] for at in chosen]).column("image").to_pylist()
    labels = [f"{planned[at].arm}: {planned[at].text}" for at in chosen]
    sheet = images.contact_sheet([images.decode(content) for content in pictures], labels, columns=2 * len(arms))
    with atomic_file(path) as temporary:
        sheet.save(temporary, "PNG")


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

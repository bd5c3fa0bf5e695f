"""Stage ``sample``: pictures of the evaluation prompts by the base model and by the adapted one, in paired seeds.

Reads     data/train/adapter             the trained adapter
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

import pyarrow as pa
import torch

from pipeline import cli, diffusion, engine, images, operating, prompts, samples, sampling, tables, vae
from pipeline.adapters import folder, official, sur
from pipeline.engine import ComputeParams
from pipeline.errors import EmptyResultError
from pipeline.files import atomic_file, file_digest
from pipeline.generated import GENERATED, MANIFEST
from pipeline.operating import Operator, Work
from pipeline.params import load
from pipeline.prompts import Prompt
from pipeline.sampling import RESULT, Painter, SampleParams, Sampler, Shot
from pipeline.vae import DiffusionParams
from pipeline.work import ResultStore

ADAPTER = Path("data/train/adapter")
TARGET = Path("data/sample")
SHOWN_PROMPTS = 4
ROWS_PER_SHARD = samples.ROWS_PER_SHARD


def main() -> None:
    """Make the pictures with the adapter that was trained."""
    config, base = load(SampleParams, "sample"), load(DiffusionParams, "diffusion")
    compute = load(ComputeParams, "compute")
    chosen = prompts.first_of_each_type(prompts.read(Path(name) for name in config.prompts), config.limit_per_type)
    build = functools.partial(_painter, config, base, compute)
    sample(ADAPTER, TARGET, chosen, config, base, build=build, batch=compute.sample_batch)


def _painter(config: SampleParams, base: DiffusionParams, compute: ComputeParams) -> Painter:
    device = engine.device(compute)
    model = diffusion.load(base.model, base.revision, device=device, dtype=getattr(torch, base.dtype))
    named = folder.Named(model=base.model, revision=base.revision)
    adapter = folder.load(ADAPTER, base=named, width=model.text_width, device=device)
    return Painter(Sampler(model, adapter, config.denoising), compute.sample_batch)


def sample(
    adapter: Path,
    target: Path,
    chosen: Sequence[Prompt],
    config: SampleParams,
    base: DiffusionParams,
    *,
    build: Callable[[], Operator],
    batch: int,
) -> None:
    """Write the pictures of all arms; what an earlier experiment made in the same way is taken from the work store.

    Args:
        adapter: the trained adapter's folder; its files' content is part of the adapted pictures' keys.
        target: the stage's folder.
        chosen: the prompts.
        config: decides the pictures, with the base model and the adapter.
        base: the base model.
        build: makes the operator (loads the models); called only when a picture is missing.
        batch: pictures a call.

    Raises:
        ModelError: the adapter folder is missing or damaged.
        EmptyResultError: there is no prompt.
    """
    if not chosen:
        raise EmptyResultError("sample: the files of sample.prompts hold no prompt")
    trained = folder.read_config(adapter)
    shots = sampling.plan(chosen, config)
    make = _maker(file_digest(adapter / folder.CONFIG), _store(config, base), functools.cache(build), batch)
    parts = tables.write_shards(_generated(shots, make), target / "parts", GENERATED, rows=ROWS_PER_SHARD)
    tables.write(_manifest(shots, parts), target / "manifest.parquet", MANIFEST)
    _grids(prompts.first_of_each_type(chosen, SHOWN_PROMPTS), shots, make, target / "grids.png")
    arms = Counter(shot.arm for shot in shots)
    types = Counter(prompt.type for prompt in chosen)
    samples.write_report(
        target / "report.json",
        len(chosen),
        len(shots),
        pictures=dict(arms),
        prompts=dict(types),
        eta=trained.adapter.eta,
    )
    cli.say(f"sample: {len(shots):,} pictures of {len(chosen):,} prompts, " + ", ".join(sorted(arms)))


def _store(config: SampleParams, base: DiffusionParams) -> ResultStore:
    """Named by what decides any picture beside its text and seed; which prompts and how many of them does not."""
    settings = {"denoising": dataclasses.asdict(config.denoising), "base": base.model_dump()}
    return ResultStore("sample", settings, RESULT, code=(sampling, diffusion, vae, sur, official))


def _maker(
    adapter_digest: str, store: ResultStore, build: Callable[[], Operator], batch: int
) -> Callable[[Sequence[Shot]], list[bytes]]:
    """Gives the PNGs of some shots, from the store or newly made."""

    def make(shots: Sequence[Shot]) -> list[bytes]:
        keys = sampling.work_keys(shots, adapter_digest)
        work = Work("sample", build, operating.as_they_are, batch)
        operating.local(work, sampling.work_table(shots, keys), store)
        made: list[bytes] = store.take(keys).column("image").to_pylist()
        return made

    return make


def _generated(shots: Sequence[Shot], make: Callable[[Sequence[Shot]], list[bytes]]) -> Iterator[pa.Table]:
    """Table GENERATED, made and held a shard at a time."""
    kinds = [field.type for field in GENERATED]
    for start in range(0, len(shots), ROWS_PER_SHARD):
        run = shots[start : start + ROWS_PER_SHARD]
        columns: list[list[object]] = [
            [shot.sample_id for shot in run],
            [shot.arm for shot in run],
            [shot.prompt.id for shot in run],
            [shot.index for shot in run],
            [shot.seed for shot in run],
            [{"bytes": content, "path": None} for content in make(run)],
        ]
        arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
        yield pa.Table.from_arrays(arrays, schema=GENERATED)


def _manifest(shots: Sequence[Shot], parts: Sequence[Path]) -> pa.Table:
    """Table MANIFEST, with the digests of the pictures as they were written."""
    by_id = {shot.sample_id: shot for shot in shots}
    rows = []
    for part in parts:
        for row in tables.read(part, GENERATED).to_pylist():
            shot, picture = by_id[row["sample_id"]], row.pop("image")["bytes"]
            digest = hashlib.sha256(picture).hexdigest()
            rows.append({**row, "type": shot.prompt.type, "text": shot.text, "part": part.name, "sha256": digest})
    return tables.from_rows(rows, MANIFEST)


def _grids(
    shown: Sequence[Prompt], shots: Sequence[Shot], make: Callable[[Sequence[Shot]], list[bytes]], path: Path
) -> None:
    """The first picture of some prompts, its arms side by side."""
    arms = sorted({shot.arm for shot in shots}, key=(sampling.BASE, sampling.ADAPTED, sampling.COMPLEX).index)
    place = {(shot.prompt.id, shot.index, shot.arm): shot for shot in shots}
    chosen = [place[key] for prompt in shown for arm in arms if (key := (prompt.id, 0, arm)) in place]
    sheet = images.contact_sheet(
        [images.decode(content) for content in make(chosen)],
        [f"{shot.arm}: {shot.text}" for shot in chosen],
        columns=2 * len(arms),
    )
    with atomic_file(path) as temporary:
        sheet.save(temporary, "PNG")


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

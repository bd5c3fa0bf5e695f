"""Stage ``caption``: say in one plain sentence what each picture shows (BLIP), the simple prompt.

Reads     data/clean/samples.parquet       samples.SAMPLES
          data/download/parts              the pictures
Writes    data/caption/captions.parquet    samples.CAPTIONS, sorted by sample_id
          data/caption/dropped.parquet     no_caption, repeated_words
          data/caption/report.json         captions that blip.max_length cut, distinct ones, words
          data/caption/sheet.png           24 pictures with their captions
Params    blip
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pyarrow as pa

from pipeline import blip_pictures, blip_sampling, captioning, cli, engine, images, operating, samples, sheets, tables
from pipeline.captioning import BlipParams, Captioner
from pipeline.engine import ComputeParams
from pipeline.lavis import captioner, weights, worker
from pipeline.lavis.captioner import LavisCaptioner
from pipeline.operating import Operator, Runner, Work
from pipeline.params import load
from pipeline.samples import CAPTIONS, SAMPLES
from pipeline.tables import KEY
from pipeline.work import ROW_KEY, ResultStore

CLEAN = Path("data/clean/samples.parquet")
PARTS = Path("data/download/parts")
TARGET = Path("data/caption")


def main() -> None:
    """Caption the clean samples with the settings in force."""
    config, compute = load(BlipParams, "blip"), load(ComputeParams, "compute")
    caption(
        CLEAN,
        PARTS,
        TARGET,
        config,
        build=lambda: _captioner(config, compute),
        unit=engine.unit(compute.caption_batch),
        run=engine.runner(compute),
    )


def _captioner(config: BlipParams, compute: ComputeParams) -> Operator:
    device = engine.device(compute)
    build = {"transformers": Captioner, "lavis": LavisCaptioner}[config.backend]
    return engine.batches(build(config, device), compute.caption_batch, device, "caption_batch")


def _code(config: BlipParams) -> tuple[ModuleType, ...]:
    """What computes a caption; an edit of the other backend's part leaves the store as it is."""
    shared = (captioning, images, blip_pictures, blip_sampling)
    return shared if config.backend == "transformers" else (*shared, captioner, weights, worker)


def caption(
    source: Path,
    parts: Path,
    target: Path,
    config: BlipParams,
    *,
    build: Callable[[], Operator],
    unit: int,
    run: Runner = operating.local,
) -> None:
    """Write a caption for each picture; captions that say nothing or repeat themselves are dropped and counted.

    Args:
        source: a table SAMPLES.
        parts: ``data/download/parts``.
        target: the stage's folder.
        config: decides the results, with the picture's bytes.
        build: makes the operator that captions.
        unit: pictures that are captioned and kept together.
        run: where.

    Raises:
        EmptyResultError: no caption is left.
    """
    rows = tables.read(source, SAMPLES)
    store = ResultStore("caption", config.model_dump(), captioning.RESULT, code=_code(config))
    keys = rows.column("image_sha256")
    wanted = rows.select([KEY, "part"]).append_column(ROW_KEY, keys)
    run(Work("caption", build, partial(samples.add_images, parts), unit), wanted, store)
    said = store.take(keys.to_pylist())
    rows = rows.append_column("simple_prompt", said.column("simple_prompt"))
    truncated = sum(said.column("caption_truncated").to_pylist())
    faults = [captioning.fault(text) for text in said.column("simple_prompt").to_pylist()]
    dropped = samples.drop(rows.append_column("drop_reason", pa.array(faults, pa.string())), target / "dropped.parquet")
    kept = samples.require_rows(
        rows.filter(pa.array([fault is None for fault in faults])),
        f"caption: none of {rows.num_rows:,} captions can be used, see blip.model and blip.max_length",
    )
    tables.write(kept, target / "captions.parquet", CAPTIONS)
    _sheet(kept, parts, target / "sheet.png")
    samples.write_report(target / "report.json", rows.num_rows, kept.num_rows, dropped, **_figures(kept, truncated))
    cli.say(f"caption: {kept.num_rows:,} captions, {dropped.total():,} dropped, {truncated:,} cut at blip.max_length")


def _sheet(kept: pa.Table, parts: Path, path: Path) -> None:
    shown = sheets.pick(kept)
    pictures = samples.read_images(parts, shown)
    names = shown.column(KEY).to_pylist()
    sheets.save(path, [pictures[name] for name in names], shown.column("simple_prompt").to_pylist())


def _figures(kept: pa.Table, truncated: int) -> dict[str, float]:
    texts = kept.column("simple_prompt").to_pylist()
    return {
        "captions_truncated": truncated,  # of all, dropped ones too
        "distinct_captions": len(set(texts)),
        "mean_words": round(sum(len(text.split()) for text in texts) / len(texts), 2),
    }


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

"""Stage ``caption``: say in one plain sentence what each picture shows (BLIP), the simple prompt.

Reads     data/clean/samples.parquet       samples.SAMPLES
          data/download/parts              the pictures
Writes    data/caption/captions.parquet    samples.CAPTIONS, sorted by sample_id
          data/caption/dropped.parquet     no_caption, repeated_words
          data/caption/report.json         captions that blip.max_length cut, distinct ones, words
          data/caption/sheet.png           24 pictures with their captions
Params    blip
"""

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import blip_pictures, blip_sampling, captioning, cli, engine, images, operating, samples, sheets, tables
from pipeline.captioning import BlipParams, Captioner
from pipeline.engine import ComputeParams
from pipeline.errors import EmptyResultError
from pipeline.lavis import captioner, weights, worker
from pipeline.lavis.captioner import LavisCaptioner
from pipeline.operating import Operator, Runner, Work
from pipeline.params import load
from pipeline.samples import CAPTIONS, SAMPLES
from pipeline.tables import DROPPED, KEY
from pipeline.work import ROW_KEY, ResultStore

CLEAN = Path("data/clean/samples.parquet")
PARTS = Path("data/download/parts")
TARGET = Path("data/caption")

PLACES = tables.select(SAMPLES, [KEY, "part", "image_sha256"])
AT_ONCE = operating.ROWS_AT_ONCE
PACKED = tables.PLAIN_ROW_GROUP_ROWS  # rows that are packed together


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
    store = ResultStore("caption", config.model_dump(), captioning.RESULT, code=_code(config))
    work = Work("caption", build, partial(samples.add_images, parts), unit)
    faults, truncated = [DROPPED.empty_table()], 0
    for rows in tables.read_parts(source, PLACES, AT_ONCE):
        keys = rows.column("image_sha256")
        run(work, rows.select([KEY, "part"]).append_column(ROW_KEY, keys), store)
        said = store.take(keys.to_pylist())
        truncated += sum(said.column("caption_truncated").to_pylist())
        faults.append(_faults(rows, said))
    gone = pa.concat_tables(faults)
    dropped = samples.drop(gone, target / "dropped.parquet")
    total = tables.count(source)
    if dropped.total() == total:
        raise EmptyResultError(f"caption: none of {total:,} captions can be used, see blip.model and blip.max_length")
    path, kept = target / "captions.parquet", total - dropped.total()
    tables.write_in_order(_usable(source, store, gone), path, CAPTIONS)
    _sheet(path, kept, parts, target / "sheet.png")
    samples.write_report(target / "report.json", total, kept, dropped, **_figures(path, kept, truncated))
    cli.say(f"caption: {kept:,} captions, {dropped.total():,} dropped, {truncated:,} cut at blip.max_length")


def _faults(rows: pa.Table, said: pa.Table) -> pa.Table:
    """The rows whose captions cannot stay, and why: a table DROPPED."""
    faults = [captioning.fault(text) for text in said.column("simple_prompt").to_pylist()]
    judged = pa.table([rows.column(KEY), pa.array(faults, pa.string())], names=DROPPED.names)
    return judged.filter(pc.is_valid(judged.column("drop_reason"))).cast(DROPPED)


def _usable(source: Path, store: ResultStore, gone: pa.Table) -> Iterator[pa.Table]:
    """The rows whose captions can stay, with them: tables CAPTIONS."""
    for rows in tables.read_parts(source, SAMPLES, PACKED):
        said = store.take(rows.column("image_sha256").to_pylist(), captioning.RESULT).column("simple_prompt")
        kept = pc.invert(pc.is_in(rows.column(KEY), value_set=gone.column(KEY)))
        yield rows.append_column("simple_prompt", said).filter(kept)


def _sheet(captions: Path, kept: int, parts: Path, path: Path) -> None:
    shown = tables.read_places(captions, CAPTIONS, sheets.places(kept))
    pictures = samples.read_images(parts, shown)
    names = shown.column(KEY).to_pylist()
    sheets.save(path, [pictures[name] for name in names], shown.column("simple_prompt").to_pylist())


def _figures(captions: Path, kept: int, truncated: int) -> dict[str, float]:
    words, distinct = 0, list[bytes]()
    for rows in tables.read_parts(captions, tables.select(CAPTIONS, ["simple_prompt"]), PACKED):
        texts = rows.column("simple_prompt").to_pylist()
        words += sum(len(text.split()) for text in texts)
        distinct.append(b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts))
    return {
        "captions_truncated": truncated,  # of all, dropped ones too
        "distinct_captions": len(np.unique(np.frombuffer(b"".join(distinct), np.uint64))),  # 8 bytes a row in memory
        "mean_words": round(words / kept, 2),
    }


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

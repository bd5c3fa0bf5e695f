"""Stage ``caption``: say in one plain sentence what each picture shows (BLIP), the simple prompt.

Reads     data/clean/samples.parquet       samples.SAMPLES
          data/download/parts              the pictures
Writes    data/caption/captions.parquet    samples.CAPTIONS, sorted by sample_id
          data/caption/dropped.parquet     no_caption, repeated_words
          data/caption/report.json
          data/caption/sheet.png           24 pictures with their captions
Params    blip
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline import captioning, cli, engine, images, samples, sheets, tables
from pipeline.captioning import BlipParams, Captioner
from pipeline.engine import ComputeParams
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
        build=lambda: engine.in_full(Captioner(config, engine.device(compute)), compute.caption_batch),
        batch=compute.caption_batch,
    )


def caption(
    source: Path, parts: Path, target: Path, config: BlipParams, *, build: Callable[[], engine.Operator], batch: int
) -> None:
    """Write a caption for each picture; captions that say nothing or repeat themselves are dropped and counted.

    Args:
        source: a table SAMPLES.
        parts: ``data/download/parts``.
        target: the stage's folder.
        config: decides the results, with the picture's bytes.
        build: makes the operator that captions.
        batch: pictures a call.

    Raises:
        EmptyResultError: no caption is left.
    """
    rows = tables.read(source, SAMPLES)
    store = ResultStore("caption", config.model_dump(), captioning.RESULT, code=(captioning, images))
    keys = rows.column("image_sha256").to_pylist()
    said = engine.run(build, _pictures(rows, parts), keys, store, batch=batch, label="caption")
    rows = rows.append_column("simple_prompt", said.column("simple_prompt"))
    faults = [captioning.fault(text) for text in said.column("simple_prompt").to_pylist()]
    dropped = samples.drop(rows.append_column("drop_reason", pa.array(faults, pa.string())), target / "dropped.parquet")
    kept = samples.require_rows(
        rows.filter(pa.array([fault is None for fault in faults])),
        f"caption: none of {rows.num_rows:,} captions can be used, see blip.model and blip.max_length",
    )
    tables.write(kept, target / "captions.parquet", CAPTIONS)
    _sheet(kept, parts, target / "sheet.png")
    samples.write_report(target / "report.json", rows.num_rows, kept.num_rows, dropped, **_figures(kept))
    cli.say(f"caption: {kept.num_rows:,} captions, {dropped.total():,} dropped")


def _pictures(rows: pa.Table, parts: Path) -> Callable[[Sequence[str]], pa.Table]:
    place = {digest: row for row, digest in enumerate(rows.column("image_sha256").to_pylist())}

    def load_pictures(keys: Sequence[str]) -> pa.Table:
        wanted = rows.take(pa.array([place[key] for key in keys], pa.int64()))
        found = samples.read_images(parts, wanted)
        return pa.table({ROW_KEY: list(keys), "image": [found[name] for name in wanted.column(KEY).to_pylist()]})

    return load_pictures


def _sheet(kept: pa.Table, parts: Path, path: Path) -> None:
    shown = sheets.pick(kept)
    pictures = samples.read_images(parts, shown)
    names = shown.column(KEY).to_pylist()
    sheets.save(path, [pictures[name] for name in names], shown.column("simple_prompt").to_pylist())


def _figures(kept: pa.Table) -> dict[str, float]:
    texts = kept.column("simple_prompt").to_pylist()
    return {
        "distinct_captions": len(set(texts)),
        "mean_words": round(sum(len(text.split()) for text in texts) / len(texts), 2),
    }


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

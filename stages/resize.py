"""Stage ``resize``: cut the kept samples' pictures to one size; the result is the SURD data set.

Reads     data/review_import/verdicts.parquet    samples.VERDICTS, kept rows
          data/clean/samples.parquet             licences and why the sources may be read, for the card
          data/download/parts                    the pictures
          report.json of download, clean, caption, clip_filter and review_import, for the card
Writes    data/resize/parts                      samples.SURD in shards of 1000, loadable by Hugging Face datasets
          data/resize/README.md                  the data set's card
          data/resize/LICENSE.md                 the sources' licences
          data/resize/report.json
          data/resize/sheet.png                  24 samples with both prompts
Params    image
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import cli, samples, sheets, tables
from pipeline.dataset_card import Card, Origin, render, render_licences, with_features
from pipeline.files import read_json, write_text
from pipeline.images import ImageParams, decode, encode, to_square
from pipeline.params import load
from pipeline.samples import CAPTIONS, ROWS_PER_SHARD, SURD, VERDICTS
from pipeline.tables import KEY, column

REVIEWED = Path("data/review_import/verdicts.parquet")
CLEANED = Path("data/clean/samples.parquet")
PARTS = Path("data/download/parts")
TARGET = Path("data/resize")
EARLIER = (
    Path("data/download/report.json"),
    Path("data/clean/report.json"),
    Path("data/caption/report.json"),
    Path("data/clip_filter/report.json"),
    Path("data/review_import/report.json"),
)

ORIGINS = tables.schema(
    column(KEY, pa.string(), "the sample"),
    *(column(field.name, pa.string(), "as in the sources' records") for field in fields(Origin)),
)
ROWS_A_STEP = 100  # pictures in memory at a time
TILE_PX = 220  # room for both prompts


def main() -> None:
    """Make the data set with the settings in force."""
    resize(REVIEWED, PARTS, TARGET, load(ImageParams, "image"), cleaned=CLEANED, reports=EARLIER)


def resize(
    source: Path, parts: Path, target: Path, config: ImageParams, *, cleaned: Path, reports: Sequence[Path]
) -> None:
    """Write the kept samples with their pictures as squares of ``image.side_px``, and the card.

    Args:
        source: a table VERDICTS.
        parts: ``data/download/parts``.
        target: the stage's folder.
        config: size, cut and encoding.
        cleaned: a table with ORIGINS.
        reports: the earlier stages' report.json, each in its stage's folder.

    Raises:
        EmptyResultError: no sample is kept.
    """
    verdicts = tables.read(source, VERDICTS)
    kept = verdicts.filter(verdicts.column("kept")).select(CAPTIONS.names)
    samples.require_rows(kept, "resize: no sample is kept, see reviews/triplets and the review settings")
    notes: Counter[str] = Counter()
    tables.write_shards(
        _squares(kept, parts, config, notes), target / "parts", with_features(SURD), rows=ROWS_PER_SHARD
    )
    card = _card(kept, cleaned, reports, config)
    write_text(target / "README.md", render(card))
    write_text(target / "LICENSE.md", render_licences(card))
    _sheet(sheets.pick(kept), parts, config, target / "sheet.png")
    figures = {"side_px": config.side_px, "enlarged": notes["enlarged"], "encoded_mb": round(notes["bytes"] / 1e6, 3)}
    samples.write_report(target / "report.json", kept.num_rows, kept.num_rows, {}, **figures)
    cli.say(f"resize: {kept.num_rows:,} samples of {config.side_px} px, see {target / 'README.md'}")


def _squares(kept: pa.Table, parts: Path, config: ImageParams, notes: Counter[str]) -> Iterator[pa.Table]:
    with cli.progress(range(0, kept.num_rows, ROWS_A_STEP), "resize", unit="step") as starts:
        for start in starts:
            wanted = kept.slice(start, ROWS_A_STEP)
            pictures = samples.read_images(parts, wanted)
            rows = [_square(row, pictures[row[KEY]], config, notes) for row in wanted.to_pylist()]
            yield tables.from_rows(rows, SURD)


def _square(row: dict[str, Any], content: bytes, config: ImageParams, notes: Counter[str]) -> dict[str, Any]:
    picture, box = to_square(decode(content), config.side_px, config.resize)
    encoded = encode(picture, config)
    notes["enlarged"] += max(box[2] - box[0], box[3] - box[1]) < config.side_px
    notes["bytes"] += len(encoded)
    name = f"{row[KEY].replace(':', '-')}.{config.format}"
    return {**row, "crop_box": box, "image": {"bytes": encoded, "path": name}}


def _card(kept: pa.Table, cleaned: Path, reports: Sequence[Path], config: ImageParams) -> Card:
    rows = tables.read(cleaned, ORIGINS)
    rows = rows.filter(pc.is_in(rows.column(KEY), value_set=kept.column(KEY).combine_chunks())).drop_columns([KEY])
    origins = Counter(Origin(**row) for row in rows.to_pylist())
    columns = {field.name: field.metadata[b"meaning"].decode() for field in SURD if field.metadata}
    funnel = [(path.parent.name, read_json(path)) for path in reports]
    return Card(config.side_px, origins, Counter(kept.column("split").to_pylist()), columns, funnel)


def _sheet(shown: pa.Table, parts: Path, config: ImageParams, path: Path) -> None:
    pictures = samples.read_images(parts, shown)
    squares = [
        encode(to_square(decode(pictures[row]), config.side_px, config.resize)[0], config) for row in _ids(shown)
    ]
    labels = [f"{row['simple_prompt']}  |  {row['complex_prompt']}" for row in shown.to_pylist()]
    sheets.save(path, squares, labels, tile_px=TILE_PX)


def _ids(table: pa.Table) -> list[str]:
    ids: list[str] = table.column(KEY).to_pylist()
    return ids


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

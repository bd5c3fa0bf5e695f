"""Contact sheets of captions: some at random, the longest, the shortest, and those that were dropped."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import cli, samples, sheets, tables
from pipeline.samples import CAPTIONS, SAMPLES
from pipeline.tables import DROPPED, KEY

TILE_PX = 200
SHOWN = tables.select(CAPTIONS, [KEY, "part", "simple_prompt"])
PLACES = tables.select(SAMPLES, [KEY, "part"])


def draw(data: Path, target: Path, count: int, seed: int) -> list[Path]:
    """Write ``random.png``, ``longest.png``, ``shortest.png`` and, where captions were dropped, ``dropped.png``.

    Args:
        data: the folder of all stages' outputs.
        target: the folder that the pictures are written into.
        count: pictures a sheet.
        seed: of the random ones.

    Raises:
        InputError: the stage's tables or the pictures are missing.
    """
    captions = tables.read(data / "caption" / "captions.parquet", SHOWN)
    order = _by_length(captions)
    chosen = {
        "random": sheets.pick(captions, count, seed=seed),
        "longest": captions.take(pa.array(order[::-1][:count])),
        "shortest": captions.take(pa.array(order[:count])),
    }
    labelled = {name: (rows, rows.column("simple_prompt").to_pylist()) for name, rows in chosen.items()}
    dropped = _dropped(data, count, seed)
    if dropped.num_rows:
        labelled["dropped"] = (dropped, [f"{row['drop_reason']}: {row[KEY]}" for row in dropped.to_pylist()])
    paths = []
    for name, (rows, labels) in cli.progress(labelled.items(), "sheets", unit="sheet"):
        paths.append(target / f"{name}.png")
        pictures = samples.read_images(data / "download" / "parts", rows)
        sheets.save(paths[-1], [pictures[key] for key in rows.column(KEY).to_pylist()], labels, tile_px=TILE_PX)
    return paths


def _by_length(captions: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows from the shortest caption to the longest: by words, then by letters."""
    texts = captions.column("simple_prompt")
    words = pc.count_substring(pc.utf8_trim_whitespace(texts), " ").to_numpy()
    return np.lexsort([pc.utf8_length(texts).to_numpy(), words])


def _dropped(data: Path, count: int, seed: int) -> pa.Table:
    """Dropped samples with reason and the shard of their picture, drawn at random."""
    dropped = sheets.pick(tables.read(data / "caption" / "dropped.parquet", DROPPED), count, seed=seed)
    places = tables.read(data / "clean" / "samples.parquet", PLACES)
    found = places.filter(pc.is_in(places.column(KEY), value_set=dropped.column(KEY).combine_chunks()))
    return dropped.sort_by(KEY).append_column("part", found.sort_by(KEY).column("part"))

"""Contact sheets of a stage's rows: the same rows are drawn every time."""

import io
import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.files import write_bytes
from pipeline.images import contact_sheet, decode


def pick(table: pa.Table, count: int = 24, *, seed: int = 0) -> pa.Table:
    """At most ``count`` rows drawn by ``seed``, in the table's order."""
    return table.take(pa.array(places(table.num_rows, count, seed=seed), pa.int64()))


def places(rows: int, count: int = 24, *, seed: int = 0) -> list[int]:
    """Where the rows that :func:`pick` draws stand in a table of so many, counted from 0."""
    return sorted(random.Random(seed).sample(range(rows), min(count, rows)))


def save(path: Path, pictures: Sequence[bytes], labels: Sequence[str], *, tile_px: int = 160) -> None:
    """Write a PNG with the encoded pictures, a label under each; wider tiles hold longer labels."""
    stream = io.BytesIO()
    contact_sheet([decode(content) for content in pictures], labels, tile_px=tile_px).save(stream, "PNG")
    write_bytes(path, stream.getvalue())

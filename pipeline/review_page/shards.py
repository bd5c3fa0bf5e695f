"""Pictures out of Parquet shards, one at a time: an index by key to shard, row group and row, and little memory."""

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.review_page.task import Place
from pipeline.tables import KEY

CACHED_BYTES = 32 * 2**20
ROWS_AT_ONCE = 8  # of a row group, while the wanted row is looked for: a group of large pictures is never in memory
KINDS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}
"""First bytes -> type; WebP and AVIF, whose first bytes are a length, are told in :func:`kind`."""


class Spot(NamedTuple):
    """Row ``row`` of row group ``group``."""

    group: int
    row: int


def kind(content: bytes) -> str | None:
    """The media type of a picture by its first bytes; None where it is none that ``clean`` lets pass."""
    for start, name in KINDS.items():
        if content.startswith(start):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return "image/avif" if content[4:12] in (b"ftypavif", b"ftypavis") else None


class Shards:
    """The pictures of a folder of shards.

    A shard's keys are read when it is first asked for. A picture is found in a mapped file, by batches of a few rows;
    the last ones stay, at most CACHED_BYTES of them. Threads take turns: the disk is one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spots: dict[str, dict[str, Spot]] = {}
        self._cache: OrderedDict[Place, bytes] = OrderedDict()
        self._cached = 0
        self._turn = threading.Lock()

    def picture(self, place: Place) -> bytes:
        """The encoded picture, as it lies in the shard.

        Raises:
            InputError: the shard is missing, damaged or lacks the picture, or was made anew with another one.
        """
        with self._turn:
            if place in self._cache:
                self._cache.move_to_end(place)
                return self._cache[place]
            try:
                found = self._read(place)
            except (FileNotFoundError, pa.ArrowInvalid, OSError) as error:
                raise InputError(f"{self._folder / place.part} cannot be read: run dvc repro ({error})") from error
            if hashlib.sha256(found).hexdigest() != place.sha256:  # a verdict would be on what nobody saw
                raise InputError(f"{self._folder / place.part}: data changed: start sur review again")
            self._keep(place, found)
            return found

    def _read(self, place: Place) -> bytes:
        with pq.ParquetFile(self._folder / place.part, memory_map=True) as source:
            if place.part not in self._spots:
                self._spots[place.part] = _index(source)
            spot = self._spots[place.part].get(place.sample_id)
            if spot is None:
                raise InputError(f"{self._folder / place.part} lacks the picture of {place.sample_id}: run dvc repro")
            return _row(source, spot)

    def _keep(self, place: Place, content: bytes) -> None:
        self._cache[place] = content
        self._cached += len(content)
        while self._cached > CACHED_BYTES and len(self._cache) > 1:
            self._cached -= len(self._cache.popitem(last=False)[1])


def _index(source: pq.ParquetFile) -> dict[str, Spot]:
    found = {}
    for group in range(source.num_row_groups):
        keys = source.read_row_group(group, columns=[KEY]).column(KEY).to_pylist()
        found.update({key: Spot(group, row) for row, key in enumerate(keys)})
    return found


def _row(source: pq.ParquetFile, spot: Spot) -> bytes:
    start = 0
    for batch in source.iter_batches(ROWS_AT_ONCE, row_groups=[spot.group], columns=["image.bytes"]):
        if spot.row < start + batch.num_rows:
            content: bytes = batch.column(0).field(0)[spot.row - start].as_py()
            return content
        start += batch.num_rows
    raise InputError("a row group is shorter than its keys")  # a file that changed since it was indexed

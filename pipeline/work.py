"""The work store: results of long stages, kept outside DVC so that a killed stage goes on where it was.

A store is a folder named by stage and by everything that decides its results (model, revision, parameters, code). It
holds chunks, small Parquet files written whole; a row is found by its ``key``, the content it was computed from. So
added records cost only themselves, a changed parameter starts another store, and experiments share what they can.
"""

import fcntl
import hashlib
import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from pipeline import tables
from pipeline.files import atomic_file, digest, file_digest, sweep, write_json

ROW_KEY = "key"
SETTINGS, CODE, LOCK, USERS = "settings.json", "code.json", "lock", "users"
"""Files of a store: what decides its rows, in words and as digests of modules; who writes; who has it open."""


def root() -> Path:
    """``$SUR_WORK``, else ``.work`` under ``$DVC_ROOT`` (queued experiments share it), else ``.work`` here."""
    if chosen := os.environ.get("SUR_WORK"):
        return Path(chosen)
    return Path(os.environ.get("DVC_ROOT", ".")) / ".work"


def digests(code: Sequence[ModuleType]) -> dict[str, str]:
    """What a store's rows were computed by: name of each module and digest of its file."""
    return {module.__name__: file_digest(Path(str(module.__file__))) for module in code}


def opened(folder: Path) -> int:
    """Tell others that the store in this folder is in use, until the descriptor is closed or the process ends.

    Rows are read after the writing lock is given back, so that alone would let ``sur work --clean`` take them away. The
    file's time is when the store was last opened.
    """
    descriptor = os.open(folder / USERS, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.utime(descriptor)
    return descriptor


class _Index:
    """Where each key's row is: number of its chunk and row in it.

    Keys are held as 128-bit digests in sorted arrays, 24 bytes a row, with the newest in a dictionary: a hundred
    thousand keys as Python strings would weigh thirty megabytes.
    """

    ROWS_BITS = 32

    def __init__(self) -> None:
        self._digests = np.zeros(0, dtype="S16")
        self._spots = np.zeros(0, dtype=np.int64)
        self._newest: dict[bytes, int] = {}

    def add(self, keys: Sequence[str], chunk: int) -> None:
        """Note the keys of a chunk in the order of its rows; a later chunk's row replaces an earlier one's."""
        self._newest.update({_short(key): chunk << self.ROWS_BITS | row for row, key in enumerate(keys)})
        if len(self._newest) > max(4096, len(self._digests) // 8):
            self._merge()

    def _merge(self) -> None:
        digests = np.concatenate([np.array(list(self._newest), dtype="S16"), self._digests])
        spots = np.concatenate([np.array(list(self._newest.values()), dtype=np.int64), self._spots])
        self._digests, first = np.unique(digests, return_index=True)
        self._spots, self._newest = spots[first], {}

    def _find(self, key: str) -> int | None:
        digest = _short(key)
        if digest in self._newest:
            return self._newest[digest]
        place = int(np.searchsorted(self._digests, np.bytes_(digest)))
        found = place < len(self._digests) and self._digests[place] == np.bytes_(digest)
        return int(self._spots[place]) if found else None

    def __contains__(self, key: str) -> bool:
        return self._find(key) is not None

    def __getitem__(self, key: str) -> tuple[int, int]:
        spot = self._find(key)
        if spot is None:
            raise KeyError(key)
        return spot >> self.ROWS_BITS, spot & (1 << self.ROWS_BITS) - 1


def _short(key: str) -> bytes:
    """Sixteen bytes without a zero at the end, which numpy's fixed-length strings would lose."""
    return hashlib.blake2b(key.encode(), digest_size=15).digest() + b"."


@dataclass(frozen=True)
class ChunkWriter:
    """Writes chunks of a store without knowing what else is there, so that it can be sent to another process."""

    folder: Path
    schema: pa.Schema

    def __call__(self, rows: pa.Table) -> str:
        """Keep finished rows, whole or not at all; the same rows twice are one chunk. Gives the chunk's file name.

        A unit that was lost with its node may come back while its first worker still writes it.
        """
        rows = tables.check(rows, self.schema)
        name = f"chunk-{digest(rows.column(ROW_KEY).to_pylist())}.parquet"
        with atomic_file(self.folder / name, shared=True) as temporary:
            tables.encode(rows, temporary)
        return name


class ResultStore:
    """Rows of one stage under one set of result-changing settings.

    Args:
        stage: the stage's name.
        settings: everything that changes a result: model, revision, dtype, parameters.
        columns: the result's columns without the key.
        code: modules that compute the rows: an edit in one of them starts another store.
    """

    def __init__(
        self, stage: str, settings: dict[str, Any], columns: pa.Schema, *, code: Sequence[ModuleType] = ()
    ) -> None:
        self.schema = pa.schema([tables.column(ROW_KEY, pa.string(), "digest of what the row was made from"), *columns])
        made_by = digests(code)
        decisive = {"settings": settings, "columns": str(columns.remove_metadata()), "code": made_by}
        self.folder = root() / stage / digest(decisive)
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / LOCK):  # queued experiments may come here at the same time
            for name, value in ((SETTINGS, settings), (CODE, made_by)):
                if not (self.folder / name).is_file():
                    write_json(self.folder / name, value)
            self._open()

    def _open(self) -> None:
        self._places = _Index()
        self._chunks: dict[Path, int] = {}
        self._read_index()
        weakref.finalize(self, os.close, opened(self.folder))

    def __getstate__(self) -> tuple[Path, pa.Schema]:
        """Folder and schema alone go to another process, which reads the index itself."""
        return self.folder, self.schema

    def __setstate__(self, state: tuple[Path, pa.Schema]) -> None:
        """Open the store anew."""
        self.folder, self.schema = state
        self._open()

    def _read_index(self) -> None:
        for chunk in sorted(self.folder.glob("chunk-*.parquet")):
            if chunk not in self._chunks:
                self._index(chunk)

    def _index(self, chunk: Path) -> None:
        keys = pq.read_table(chunk, columns=[ROW_KEY]).column(ROW_KEY).to_pylist()
        self._places.add(keys, self._chunks.setdefault(chunk, len(self._chunks)))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time; whoever waited sees what the other wrote, and what a killed one left half-written goes."""
        with FileLock(self.folder / LOCK):
            sweep(self.folder, "chunk-*")
            self._read_index()
            yield

    def missing(self, keys: Sequence[str]) -> list[str]:
        """Those keys, each once and in their order, whose rows are not there yet."""
        return [key for key in dict.fromkeys(keys) if key not in self._places]

    @property
    def writer(self) -> ChunkWriter:
        """What writes finished rows here or in another process; :meth:`note` takes them in."""
        return ChunkWriter(self.folder, self.schema)

    def note(self, written: str) -> None:
        """Take in a chunk that the writer wrote."""
        self._index(self.folder / written)

    def add(self, rows: pa.Table) -> None:
        """Keep finished rows, whole or not at all."""
        self.note(self.writer(rows))

    def take(self, keys: Sequence[str], columns: pa.Schema | None = None) -> pa.Table:
        """The rows of these keys, in this order.

        Args:
            keys: which rows.
            columns: which columns, where not all are needed.

        Raises:
            KeyError: a key is missing.
        """
        chunks: dict[int, list[tuple[int, int]]] = {}
        for position, key in enumerate(keys):
            chunk, row = self._places[key]
            chunks.setdefault(chunk, []).append((position, row))
        columns = columns or self.schema
        parts, positions, files = [columns.empty_table()], list[int](), list(self._chunks)
        for chunk, wanted in chunks.items():
            rows = pa.array([row for _, row in wanted], pa.int64())
            parts.append(tables.read(files[chunk], columns).take(rows))
            positions.extend(position for position, _ in wanted)
        order = sorted(range(len(positions)), key=positions.__getitem__)
        return pa.concat_tables(parts).take(pa.array(order, pa.int64()))

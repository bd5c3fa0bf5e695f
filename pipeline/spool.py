"""A table of any number of rows with little memory: sorted runs on the disk, merged when it is written.

What fits into one run never touches the disk before its place. The file has the same bytes as ``tables.write`` gives.
"""

import heapq
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import tables
from pipeline.tables import GROUP_ROWS, KEY

PIECE_ROWS = 64  # of each run in memory while runs are merged


class Spool:
    """Takes rows in any order and writes them sorted by ``sample_id``.

    Args:
        shape: the table's schema.
        folder: for the runs, emptied at the start and removed at the end.
        run_rows: rows in memory at once.
    """

    def __init__(self, shape: pa.Schema, folder: Path, *, run_rows: int = GROUP_ROWS) -> None:
        self._shape, self._folder, self._run_rows = shape, folder, run_rows
        self._rows: list[dict[str, Any]] = []
        self._runs: list[Path] = []
        self.count = 0

    def __enter__(self) -> Self:
        shutil.rmtree(self._folder, ignore_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, row: dict[str, Any]) -> None:
        """Take one row."""
        if len(self._rows) == self._run_rows:
            self._put_down()
        self._rows.append(row)
        self.count += 1

    def write(self, path: Path) -> None:
        """Write all rows as one Parquet file, whole or not at all."""
        if not self._runs:
            tables.write(tables.from_rows(self._rows, self._shape), path, self._shape)
            return
        self._put_down()
        rows = heapq.merge(*map(_rows_of, self._runs), key=lambda row: row[KEY])
        tables.write_groups(self._groups(rows), path, self._shape)

    def _put_down(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._runs.append(self._folder / f"run-{len(self._runs):05d}.parquet")
        table = tables.from_rows(self._rows, self._shape).sort_by(KEY)
        pq.write_table(table, self._runs[-1], row_group_size=PIECE_ROWS, use_dictionary=False, write_statistics=False)
        self._rows = []

    def _groups(self, rows: Iterator[dict[str, Any]]) -> Iterator[pa.Table]:
        while group := list(islice(rows, GROUP_ROWS)):
            yield tables.from_rows(group, self._shape)


def _rows_of(run: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(run) as source:
        for group in range(source.num_row_groups):
            yield from source.read_row_group(group).to_pylist()

"""Sorting more rows than memory should hold: rows come in any order and go out sorted by ``sample_id``."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import tables
from pipeline.tables import KEY

ROWS_A_BATCH = 1024
MOST_FILES = 200


class RowSorter:
    """Keeps rows in a file, in memory their ids alone; then deals them out into files of neighbours and sorts these.

    Args:
        folder: an empty folder for the files; the caller removes it.
        shape: the rows' schema, with ``sample_id``.
    """

    def __init__(self, folder: Path, shape: pa.Schema) -> None:
        self._folder, self._shape = folder, shape
        self._waiting: list[Mapping[str, Any]] = []
        self._ids: list[pa.ChunkedArray] = []
        self._arrived = pa.ipc.new_stream(folder / "arrived.arrow", shape)

    def __len__(self) -> int:
        """Rows that have come."""
        return sum(map(len, self._ids)) + len(self._waiting)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take one row."""
        self._waiting.append(row)
        if len(self._waiting) == ROWS_A_BATCH:
            self._flush()

    def _flush(self) -> None:
        batch = tables.from_rows(self._waiting, self._shape)
        self._ids.append(batch.column(KEY))
        self._arrived.write_table(batch)
        self._waiting = []

    def ordered(self) -> Iterator[pa.Table]:
        """All rows in order; no row can be added any more."""
        self._flush()
        self._arrived.close()
        ids = pa.chunked_array([chunk for column in self._ids for chunk in column.chunks], pa.string())
        ranks = np.empty(len(ids), dtype=np.int64)
        ranks[pc.sort_indices(ids).to_numpy()] = np.arange(len(ids))
        group = tables.row_group_rows(self._shape)
        rows = group * max(1, -(-len(ids) // (group * MOST_FILES)))
        for path in self._deal(ranks // rows):
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
                yield stream.read_all().sort_by(KEY)
            path.unlink()

    def _deal(self, places: np.ndarray[Any, np.dtype[np.int64]]) -> Iterable[Path]:
        """Write each row into the file of its place; give the files in order."""
        paths = [self._folder / f"place-{place}.arrow" for place in range(int(places.max(initial=-1)) + 1)]
        with ExitStack() as stack:
            files = [stack.enter_context(pa.ipc.new_stream(path, self._shape)) for path in paths]
            start = 0
            # read as a file: a path would be mapped into memory whole, which counts as ours
            arrived = stack.enter_context(pa.OSFile(str(self._folder / "arrived.arrow")))
            for batch in stack.enter_context(pa.ipc.open_stream(arrived)):
                here = places[start : start + batch.num_rows]
                for place in np.unique(here):
                    files[place].write_batch(batch.take(pa.array(np.flatnonzero(here == place))))
                start += batch.num_rows
        return paths

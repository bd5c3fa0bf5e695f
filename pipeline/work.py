"""The work store: results of long stages, kept outside DVC so that a killed stage goes on where it was.

A store is a folder named by stage and by everything that decides its results (model, revision, parameters, code). It
holds chunks, small Parquet files written whole; a row is found by its ``key``, the content it was computed from. So
added records cost only themselves, a changed parameter starts another store, and experiments share what they can.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from pipeline import tables
from pipeline.files import digest, file_digest, write_json

ROW_KEY = "key"


def root() -> Path:
    """``$SUR_WORK``, else ``.work`` under ``$DVC_ROOT`` (queued experiments share it), else ``.work`` here."""
    if chosen := os.environ.get("SUR_WORK"):
        return Path(chosen)
    return Path(os.environ.get("DVC_ROOT", ".")) / ".work"


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
        made_by = {module.__name__: file_digest(Path(str(module.__file__))) for module in code}
        decisive = {"settings": settings, "columns": str(columns.remove_metadata()), "code": made_by}
        self.folder = root() / stage / digest(decisive)
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "lock"):  # queued experiments may come here at the same time
            if not (self.folder / "settings.json").is_file():
                write_json(self.folder / "settings.json", settings)
        self._places: dict[str, tuple[Path, int]] = {}
        self._read_index()

    def _read_index(self) -> None:
        for chunk in sorted(self.folder.glob("chunk-*.parquet")):
            self._index(chunk)

    def _index(self, chunk: Path) -> None:
        keys = pq.read_table(chunk, columns=[ROW_KEY]).column(ROW_KEY).to_pylist()
        self._places.update({key: (chunk, row) for row, key in enumerate(keys)})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer at a time; whoever waited sees what the other wrote."""
        with FileLock(self.folder / "lock"):
            self._read_index()
            yield

    def missing(self, keys: Sequence[str]) -> list[str]:
        """Those keys, each once and in their order, whose rows are not there yet."""
        return [key for key in dict.fromkeys(keys) if key not in self._places]

    def add(self, rows: pa.Table) -> None:
        """Keep finished rows, whole or not at all."""
        rows = tables.check(rows, self.schema)
        chunk = self.folder / f"chunk-{digest(rows.column(ROW_KEY).to_pylist())}.parquet"
        tables.write(rows, chunk, self.schema)
        self._index(chunk)

    def take(self, keys: Sequence[str], columns: pa.Schema | None = None) -> pa.Table:
        """The rows of these keys, in this order.

        Args:
            keys: which rows.
            columns: which columns, where not all are needed.

        Raises:
            KeyError: a key is missing.
        """
        chunks: dict[Path, list[int]] = {}
        for position, key in enumerate(keys):
            chunks.setdefault(self._places[key][0], []).append(position)
        columns = columns or self.schema
        parts, positions = [columns.empty_table()], []
        for chunk, wanted in chunks.items():
            rows = [self._places[keys[position]][1] for position in wanted]
            parts.append(tables.read(chunk, columns).take(pa.array(rows, pa.int64())))
            positions.extend(wanted)
        order = sorted(range(len(positions)), key=positions.__getitem__)
        return pa.concat_tables(parts).take(pa.array(order, pa.int64()))

import random

import pyarrow as pa
import pytest

from pipeline import tables
from pipeline.spool import Spool
from pipeline.tables import KEY, column

SHAPE = tables.schema(
    column(KEY, pa.string(), "id"),
    column("text", pa.string(), "text", nullable=True),
    column("n", pa.int64(), "number"),
)


def _rows(count):
    rows = [
        {KEY: f"a:{number}é", "text": None if number % 7 == 0 else f"t{number % 50}", "n": number}
        for number in range(count)
    ]
    random.Random(0).shuffle(rows)
    return rows


@pytest.mark.parametrize(("count", "run_rows"), [(0, 10), (10, 10), (11, 10), (9500, 1000), (8192, 4096)])
def test_the_file_has_the_bytes_of_a_table_written_at_once(tmp_path, count, run_rows):
    rows = _rows(count)
    with Spool(SHAPE, tmp_path / ".runs", run_rows=run_rows) as spool:
        for row in rows:
            spool.add(row)
        spool.write(tmp_path / "spooled.parquet")
    assert spool.count == count
    tables.write(tables.from_rows(rows, SHAPE), tmp_path / "whole.parquet", SHAPE)
    assert (tmp_path / "spooled.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spooled.parquet", "whole.parquet"]


def test_what_an_earlier_run_left_is_not_taken(tmp_path):
    (tmp_path / ".runs").mkdir()
    (tmp_path / ".runs" / "run-00000.parquet").write_bytes(b"old")
    with Spool(SHAPE, tmp_path / ".runs", run_rows=2) as spool:
        for row in _rows(5):
            spool.add(row)
        spool.write(tmp_path / "a.parquet")
    assert tables.read(tmp_path / "a.parquet", SHAPE).num_rows == 5


def test_a_row_of_another_shape_is_a_fault(tmp_path):
    with Spool(SHAPE, tmp_path / ".runs") as spool:
        spool.add({KEY: "a", "colour": "red", "n": 1})
        with pytest.raises(ValueError, match="colour"):
            spool.write(tmp_path / "a.parquet")

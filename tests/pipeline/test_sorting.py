import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import sorting, tables
from pipeline.sorting import RowSorter
from pipeline.tables import column

SHAPE = tables.schema(
    column("sample_id", pa.string(), "id"), column("n", pa.int64(), "", nullable=True), column("text", pa.string(), "")
)


def _rows(names):
    return [{"sample_id": name, "n": number, "text": name * 2} for number, name in enumerate(names)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.text(min_size=1, max_size=3), unique=True, max_size=60), batch=st.integers(1, 9))
def test_rows_come_out_sorted_and_whole(tmp_path_factory, monkeypatch, names, batch):
    monkeypatch.setattr(sorting, "ROWS_A_BATCH", batch)
    monkeypatch.setattr(sorting, "MOST_FILES", 3)
    monkeypatch.setattr(tables, "PLAIN_ROW_GROUP_ROWS", 4)
    sorter = RowSorter(tmp_path_factory.mktemp("rows"), SHAPE)
    for row in _rows(names):
        sorter.add(row)
    assert len(sorter) == len(names)
    found = [row for table in sorter.ordered() for row in table.to_pylist()]
    assert found == sorted(_rows(names), key=lambda row: row["sample_id"])


def test_a_file_of_sorted_rows_has_the_bytes_of_one_written_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "PLAIN_ROW_GROUP_ROWS", 16)
    rows = _rows([f"{number * 37 % 101:03d}" for number in range(100)])
    (tmp_path / "rows").mkdir()
    sorter = RowSorter(tmp_path / "rows", SHAPE)
    for row in rows:
        sorter.add(row)
    tables.write_in_order(sorter.ordered(), tmp_path / "one", SHAPE)
    tables.write(tables.from_rows(rows, SHAPE), tmp_path / "two", SHAPE)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_row_that_breaks_the_schema_is_refused(tmp_path):
    sorter = RowSorter(tmp_path, SHAPE)
    sorter.add({"sample_id": "a", "n": 1, "text": None})
    with pytest.raises(ValueError, match="column text has nulls"):
        list(sorter.ordered())

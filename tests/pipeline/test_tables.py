import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import tables
from pipeline.errors import InputError
from pipeline.tables import column

SHAPE = tables.schema(
    column("sample_id", pa.string(), "key"),
    column("n", pa.int32(), "a number"),
    column("note", pa.string(), "", nullable=True),
)


def rows(*ids):
    return tables.from_rows([{"sample_id": name, "n": index, "note": None} for index, name in enumerate(ids)], SHAPE)


def test_a_table_round_trips_sorted_by_its_key(tmp_path):
    tables.write(rows("b", "a"), tmp_path / "t.parquet", SHAPE)
    assert tables.read(tmp_path / "t.parquet", SHAPE).to_pylist() == [
        {"sample_id": "a", "n": 1, "note": None},
        {"sample_id": "b", "n": 0, "note": None},
    ]


def test_the_same_rows_give_the_same_bytes_in_any_order(tmp_path):
    tables.write(rows("a", "b", "c"), tmp_path / "1.parquet", SHAPE)
    tables.write(rows("a", "b", "c").take(pa.array([2, 0, 1])), tmp_path / "2.parquet", SHAPE)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_a_later_table_is_read_as_an_earlier_one(tmp_path):
    later = tables.extend(SHAPE, column("extra", pa.float32(), "more"))
    tables.write(rows("a").append_column("extra", pa.array([1.0], pa.float32())), tmp_path / "t.parquet", later)
    assert tables.read(tmp_path / "t.parquet", SHAPE).column_names == SHAPE.names


def test_meanings_are_kept_in_the_file(tmp_path):
    tables.write(rows("a"), tmp_path / "t.parquet", SHAPE, metadata={"llm": "x"})
    assert tables.metadata(tmp_path / "t.parquet")["llm"] == "x"
    assert tables.read(tmp_path / "t.parquet", SHAPE).schema.field("n").metadata == {b"meaning": b"a number"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"sample_id": ["a"]}), "n is missing"),
        (pa.table({"sample_id": ["a"], "n": ["x"], "note": ["y"]}), "n is string, not int32"),
        (
            pa.table({"sample_id": pa.array([None], pa.string()), "n": pa.array([1], pa.int32()), "note": ["y"]}),
            "sample_id has nulls",
        ),
    ],
)
def test_another_shape_is_refused_on_write_and_on_read(tmp_path, table, message):
    with pytest.raises(ValueError, match=message):
        tables.write(table, tmp_path / "t.parquet", SHAPE)
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(InputError, match=message):
        tables.read(tmp_path / "t.parquet", SHAPE)


def test_unknown_columns_are_refused():
    with pytest.raises(ValueError, match="typo"):
        tables.from_rows([{"sample_id": "a", "n": 1, "typo": 2}], SHAPE)


def test_some_rows_are_read_by_their_ids(tmp_path):
    tables.write(rows(*[f"{index:04d}" for index in range(9000)]), tmp_path / "t.parquet", SHAPE)
    found = tables.read_rows(tmp_path / "t.parquet", SHAPE, ["8999", "0003", "none"])
    assert found.column("sample_id").to_pylist() == ["0003", "8999"]


def test_parts_are_the_whole_table_some_rows_at_a_time(tmp_path):
    names = [f"{index:04d}" for index in range(9000)]
    tables.write(rows(*names), tmp_path / "t.parquet", SHAPE)
    parts = list(tables.read_parts(tmp_path / "t.parquet", SHAPE, 700))
    assert max(part.num_rows for part in parts) <= 700
    assert pa.concat_tables(parts).column("sample_id").to_pylist() == names


@given(st.lists(st.integers(0, 24), max_size=9), st.integers(1, 30))
def test_rows_come_in_the_order_of_the_places_asked_for(tmp_path_factory, places, at_once):
    path = tmp_path_factory.mktemp("tables") / "t.parquet"
    tables.write(rows(*[f"{index:02d}" for index in range(25)]), path, SHAPE)
    found = tables.read_places(path, SHAPE, places, at_once)
    assert found.column("sample_id").to_pylist() == [f"{place:02d}" for place in places]


READERS = [
    lambda path: tables.read(path, SHAPE),
    lambda path: tables.read_rows(path, SHAPE, ["a"]),
    tables.metadata,
    lambda path: list(tables.read_parts(path, SHAPE, 3)),
    lambda path: tables.read_places(path, SHAPE, [0]),
]


@pytest.mark.parametrize("read", READERS)
def test_a_missing_or_damaged_file_is_told_in_one_line(tmp_path, read):
    with pytest.raises(InputError, match="is missing: run the stage"):
        read(tmp_path / "no.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"bad\.parquet is not"):
        read(tmp_path / "bad.parquet")


@given(st.lists(st.integers(0, 5), max_size=6), st.integers(1, 7))
def test_shards_hold_all_rows_whatever_the_pieces(tmp_path_factory, sizes, per_shard):
    folder = tmp_path_factory.mktemp("shards") / "parts"
    names = [f"{index:03d}" for index in range(sum(sizes))]
    pieces, start = [], 0
    for size in sizes:
        pieces.append(rows(*names[start : start + size]))
        start += size
    paths = tables.write_shards(pieces, folder, SHAPE, rows=per_shard)
    assert tables.read_shards(folder, SHAPE).column("sample_id").to_pylist() == names
    assert len(paths) == max(1, -(-len(names) // per_shard))
    assert all(tables.read(path, SHAPE).num_rows == per_shard for path in paths[:-1])


def test_shards_out_of_order_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(ValueError, match="sorted by sample_id"):
        tables.write_shards([rows("a"), rows("a")], tmp_path / "parts", SHAPE, rows=1)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_shards_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match="has no shards: run"):
        tables.shards(tmp_path)


def test_pictures_stay_readable_one_by_one(tmp_path):
    shape = tables.extend(SHAPE, column("image", tables.IMAGE, "picture"))
    table = rows(*[f"{index:03d}" for index in range(250)])
    table = table.append_column("image", pa.array([{"bytes": b"x" * 10, "path": None}] * 250, tables.IMAGE))
    (path,) = tables.write_shards([table], tmp_path / "parts", shape, rows=1000)
    assert pa.parquet.ParquetFile(path).num_row_groups == 3


def test_rows_are_counted_and_what_is_no_table_is_told(tmp_path):
    tables.write(tables.from_rows([], tables.DROPPED), tmp_path / "none.parquet", tables.DROPPED)
    assert tables.count(tmp_path / "none.parquet") == 0
    with pytest.raises(InputError, match="is missing"):
        tables.count(tmp_path / "missing.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(InputError, match="is not a Parquet file"):
        tables.count(tmp_path / "text.parquet")


def test_a_part_of_a_schema_keeps_its_order():
    assert tables.select(tables.DROPPED, ["drop_reason", "unknown", "sample_id"]).names == tables.DROPPED.names

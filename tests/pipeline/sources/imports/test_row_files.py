import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.sources.imports import row_files
from tests.pipeline.sources.imports.made import put


def test_a_file_that_is_gone_is_one_line(tmp_path):
    for suffix in row_files.KINDS:
        with pytest.raises(InputError, match=r"metadata\.\w+ (cannot be read|is no Parquet)"):
            list(row_files.rows(tmp_path / f"metadata{suffix}"))


def test_cells_beyond_pythons_own_limit_are_read(tmp_path):
    long = "x" * 500_000
    put(tmp_path, {"a.csv": f"file_name,prompt\na.png,{long}\n"})
    assert list(row_files.rows(tmp_path / "a.csv")) == [{"file_name": "a.png", "prompt": long}]


def test_cells_beyond_ours_are_one_line(tmp_path, monkeypatch):
    before = csv.field_size_limit()
    monkeypatch.setattr(row_files, "MOST_CELL", 1000)
    put(tmp_path, {"a.csv": f"file_name,prompt\na.png,{'x' * 2000}\n"})
    with pytest.raises(InputError, match=r"is no CSV \(after line 1\): field larger than field limit"):
        list(row_files.rows(tmp_path / "a.csv"))
    csv.field_size_limit(before)


def test_csv_with_zero_bytes_and_all_kinds_of_line_ends_is_read(tmp_path):
    put(tmp_path, {"a.csv": 'a,b\r\n1,"x\r\ny"\n2,z\x00\r\n'})
    assert list(row_files.rows(tmp_path / "a.csv")) == [{"a": "1", "b": "x\r\ny"}, {"a": "2", "b": "z\x00"}]


def test_json_lines_may_begin_with_a_byte_order_mark_and_end_without_a_line_break(tmp_path):
    put(tmp_path, {"a.jsonl": b'\xef\xbb\xbf{"a": 1}\r\n\n{"a": NaN}'})
    assert list(row_files.rows(tmp_path / "a.jsonl")) == [{"a": 1}, {"a": None}]


def test_parquet_rows_come_from_the_wanted_columns_alone(tmp_path):
    pq.write_table(pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}), tmp_path / "a.parquet")
    assert list(row_files.parquet_rows(tmp_path / "a.parquet", ["a"], batch=2)) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert row_files.parquet_columns(tmp_path / "a.parquet") == ["a", "b"]

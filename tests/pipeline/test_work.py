from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

from pipeline import tables, work
from pipeline.tables import column
from pipeline.work import ResultStore

COLUMNS = tables.schema(column("value", pa.int64(), "the result"))


def rows(store, **values):
    return tables.from_rows([{"key": key, "value": value} for key, value in values.items()], store.schema)


def test_the_root_follows_the_environment(monkeypatch, tmp_path):
    assert work.root() == tmp_path / "work"
    monkeypatch.delenv("SUR_WORK")
    monkeypatch.setenv("DVC_ROOT", "/somewhere")
    assert work.root() == Path("/somewhere/.work")
    monkeypatch.delenv("DVC_ROOT")
    assert work.root() == Path(".work")


def test_results_are_found_again_in_any_order():
    store = ResultStore("caption", {"beams": 3}, COLUMNS)
    store.add(rows(store, a=1, b=2))
    store.add(rows(store, c=3))
    again = ResultStore("caption", {"beams": 3}, COLUMNS)
    assert again.missing(["c", "d", "a", "d"]) == ["d"]
    assert again.take(["c", "a", "c"]).column("value").to_pylist() == [3, 1, 3]
    with pytest.raises(KeyError):
        again.take(["d"])


def test_another_parameter_is_another_store():
    store = ResultStore("caption", {"beams": 3}, COLUMNS)
    store.add(rows(store, a=1))
    assert ResultStore("caption", {"beams": 4}, COLUMNS).missing(["a"]) == ["a"]


def test_an_edit_of_the_code_that_computes_is_another_store(tmp_path):
    module = ModuleType("operator_module")
    module.__file__ = str(tmp_path / "operator_module.py")
    Path(module.__file__).write_text("old")
    store = ResultStore("caption", {}, COLUMNS, code=(module,))
    store.add(rows(store, a=1))
    assert ResultStore("caption", {}, COLUMNS, code=(module,)).missing(["a"]) == []
    Path(module.__file__).write_text("new")
    assert ResultStore("caption", {}, COLUMNS, code=(module,)).missing(["a"]) == ["a"]


def test_a_writer_that_waited_sees_what_the_other_wrote():
    first, second = (ResultStore("caption", {}, COLUMNS) for _ in range(2))
    first.add(rows(first, a=1))
    assert second.missing(["a"]) == ["a"]
    with second.locked():
        assert second.missing(["a"]) == []


def test_nothing_wanted_gives_an_empty_table():
    assert ResultStore("caption", {}, COLUMNS).take([]).num_rows == 0


def test_the_index_finds_every_key_also_after_many_chunks(monkeypatch):
    index = work._Index()
    for chunk in range(40):
        index.add([f"{chunk}-{row}" for row in range(300)], chunk)
    assert len(index._digests) > 0
    assert [index[f"{chunk}-7"] for chunk in (0, 17, 39)] == [(0, 7), (17, 7), (39, 7)]
    assert "40-0" not in index


def test_a_later_chunk_replaces_an_earlier_row():
    index = work._Index()
    index.add(["a"] + [f"fill {number}" for number in range(5000)], 0)
    index.add(["a"], 1)
    assert index["a"] == (1, 0)
    index.add([f"more {number}" for number in range(5000)], 2)
    assert index["a"] == (1, 0)


def test_a_chunk_is_read_once_however_often_the_store_is_locked(monkeypatch):
    store = ResultStore("caption", {}, COLUMNS)
    store.add(rows(store, a=1))
    monkeypatch.setattr(work.pq, "read_table", None)
    with store.locked():
        assert store.missing(["a"]) == []


def test_two_workers_that_write_one_chunk_at_once_do_not_spoil_each_others(monkeypatch):
    """A unit lost with its node is computed again, perhaps while its first worker still writes."""
    store = ResultStore("caption", {}, COLUMNS)
    write, wanted = tables.pq.write_table, rows(store, a=1, b=2)

    def and_the_other_in_between(*args, **kwargs):
        write(*args, **kwargs)
        monkeypatch.setattr(tables.pq, "write_table", write)
        assert store.writer(wanted)

    monkeypatch.setattr(tables.pq, "write_table", and_the_other_in_between)
    store.add(wanted)
    assert store.take(["b", "a"]).column("value").to_pylist() == [2, 1]
    assert not list(store.folder.glob(".*"))


def test_what_a_killed_writer_left_goes_when_the_next_run_begins():
    store, other = ResultStore("caption", {}, COLUMNS), ResultStore("caption", {"beams": 3}, COLUMNS)
    left = [each.folder / ".chunk-00ff.parquet.17-00ff00ff.tmp" for each in (store, other)]
    for path in left:
        path.touch()
    ResultStore("caption", {}, COLUMNS)  # opened to read while another run may write
    assert all(path.is_file() for path in left)
    with store.locked():
        assert [path.is_file() for path in left] == [False, True]
        left[0].touch()  # a live worker of this run
    assert left[0].is_file()

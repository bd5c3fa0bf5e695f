import threading

import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline import operating, tables
from pipeline.errors import ModelError
from pipeline.operating import Batches, BatchSize, Work, as_they_are, local, plan
from pipeline.tables import column
from pipeline.work import ResultStore

COLUMNS = tables.schema(column("value", pa.int64(), "the result"))


class Interrupted(Exception):
    pass


def doubled(calls, *, stop_after=99):
    def build():
        def operator(table):
            if len(calls) == stop_after:
                raise Interrupted
            calls.append(table.num_rows)
            keys = table.column("key").to_pylist()
            return pa.table({"key": keys, "value": [2 * int(key) for key in keys]})

        return operator

    return build


def asked(count):
    return pa.table({"key": [str(number) for number in range(count)]})


def store():
    return ResultStore("x", {}, COLUMNS)


def values(count):
    return store().take(asked(count).column("key").to_pylist()).column("value").to_pylist()


def test_a_killed_run_goes_on_where_it_was():
    calls: list[int] = []
    with pytest.raises(Interrupted):
        local(Work("x", doubled(calls, stop_after=2), as_they_are, 3), asked(10), store())
    assert calls == [3, 3]
    local(Work("x", doubled(calls), as_they_are, 3), asked(10), store())
    assert calls == [3, 3, 3, 1]
    assert values(10) == [2 * number for number in range(10)]


def test_weights_are_not_loaded_when_all_is_there():
    local(Work("x", doubled([]), as_they_are, 3), asked(1), store())

    def never():
        raise AssertionError

    local(Work("x", never, as_they_are, 3), pa.table({"key": ["0", "0"]}), store())


def test_a_key_that_stands_twice_is_computed_once():
    calls: list[int] = []
    local(Work("x", doubled(calls), as_they_are, 3), pa.table({"key": ["4", "1", "4", "4"]}), store())
    assert calls == [2]


@given(
    st.lists(st.integers(0, 30), max_size=40),
    st.sets(st.integers(0, 30)),
    st.integers(1, 7),
)
def test_the_plan_holds_every_missing_key_once(numbers, finished, size):
    keys = [str(number) for number in numbers]
    units = plan(keys, lambda asked: [key for key in asked if int(key) not in finished], size)
    planned = [keys[row] for unit in units for row in unit.to_pylist()]
    assert sorted(planned) == sorted({key for key in keys if int(key) not in finished})
    assert all(0 < len(unit) <= size for unit in units)


def test_units_that_a_kill_left_are_the_units_of_the_first_plan():
    """Whichever were finished: the bits of a row may depend on the rows beside it."""
    keys = [str(number) for number in range(10)]
    first = plan(keys, list, 3)
    finished = {str(row) for row in first[1].to_pylist()}
    after = plan(keys, lambda asked: [key for key in asked if key not in finished], 3)
    assert [unit.to_pylist() for unit in after] == [first[row].to_pylist() for row in (0, 2, 3)]


def test_what_units_lack_in_part_is_joined():
    keys = [str(number) for number in range(9)]
    units = plan(keys, lambda asked: [key for key in asked if key in {"0", "4", "8"}], 3)
    assert [unit.to_pylist() for unit in units] == [[0, 4, 8]]


class Overlapped:
    """An operator whose call goes on only when the following unit has been prepared."""

    def __init__(self, units):
        self.units, self.calls = units, 0
        self.threads = set()
        self.ready = [threading.Event() for _ in range(units + 1)]

    def prepare(self, rows):
        self.threads.add(threading.current_thread().name)
        number = int(rows.column("key")[0].as_py())
        self.ready[number].set()
        return rows

    def __call__(self, rows):
        self.calls += 1
        if self.calls < self.units:
            assert self.ready[self.calls].wait(10)
        return pa.table({"key": rows.column("key"), "value": [0] * rows.num_rows})


def test_the_next_unit_is_prepared_while_the_model_runs():
    operator = Overlapped(4)
    local(Work("x", lambda: operator, as_they_are, 1), asked(4), store())
    assert operator.calls == 4
    assert threading.current_thread().name not in operator.threads


def test_what_fails_while_reading_ahead_is_raised():
    def read(rows):
        if "5" in rows.column("key").to_pylist():
            raise Interrupted
        return rows

    calls: list[int] = []
    with pytest.raises(Interrupted):
        local(Work("x", doubled(calls), read, 2), asked(8), store())
    assert calls == [2, 2]


def test_every_call_has_the_same_number_of_rows():
    """Matrix products round by their size: a short last batch would give its rows other bits."""
    sizes: list[int] = []

    def build():
        return Batches(doubled(sizes)(), BatchSize(5, "cpu", "compute.caption_batch"))

    local(Work("x", build, as_they_are, 12), asked(19), store())
    assert sizes == [5, 5, 5, 5, 5]
    assert values(19) == [2 * number for number in range(19)]


def test_full_batches_are_handed_on_without_a_copy():
    handed: list[pa.Table] = []

    def call(rows):
        handed.append(rows)
        return rows

    rows = asked(6)
    assert Batches(call, BatchSize(3, "cpu", "compute.caption_batch"))(rows).equals(rows)
    place = [table.column("key").chunk(0).buffers()[1].address for table in handed]
    assert place == [rows.column("key").chunk(0).buffers()[1].address] * 2


class Small:
    """A GPU with room for so many rows."""

    def __init__(self, room):
        self.room, self.sizes = room, []

    def __call__(self, rows):
        self.sizes.append(rows.num_rows)
        if rows.num_rows > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return pa.table({"key": rows.column("key"), "value": [int(key) for key in rows.column("key").to_pylist()]})


def test_auto_halves_until_a_batch_fits_and_stays_there(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    small = Small(100)
    batches = Batches(small, BatchSize("auto", "cuda", "compute.caption_batch"))
    rows = asked(150)
    assert batches(rows).column("value").to_pylist() == list(range(150))
    assert small.sizes == [512, 256, 128, 64, 64, 64]
    batches(rows)
    assert small.sizes[6:] == [64, 64, 64]
    assert "compute.caption_batch: the GPU's memory did not do, going on with 64" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "says"),
    [(64, "64 rows do not fit the GPU's memory: take fewer, or auto"), ("auto", "not even one row fits")],
)
def test_what_cannot_fit_is_one_line(monkeypatch, size, says):
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    with pytest.raises(ModelError, match=says):
        Batches(Small(0), BatchSize(size, "cuda", "compute.caption_batch"))(asked(3))


def test_auto_without_a_gpu_is_a_fixed_number():
    assert BatchSize("auto", "cpu", "compute.caption_batch").rows == operating.UNSPLIT_ROWS

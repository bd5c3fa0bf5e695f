import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import InputError, ModelError
from pipeline.operating import Work
from pipeline.pool_worker import ANSWER, Worker, packed, unpacked
from tests.pipeline.ray_work import Doubling, asked, doubled, store, work


def answer(worker, rows):
    table = worker(rows)
    assert table.schema == ANSWER
    return table.to_pylist()[0]


def test_a_unit_is_written_and_its_name_comes_back(tmp_path):
    kept = store()
    told = answer(Worker(work(Doubling(tmp_path)), kept.writer, tmp_path), asked(5))
    kept.note(told["written"])
    assert doubled(kept, 5)
    assert (told["rows"], told["failure"]) == (5, None)


def test_relative_paths_start_in_the_projects_folder(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    answer(Worker(work(Doubling(tmp_path)), store().writer, tmp_path), asked(1))
    assert Path.cwd() == tmp_path


def test_a_node_without_the_projects_folder_is_one_line(tmp_path):
    told = answer(Worker(work(Doubling(tmp_path)), store().writer, tmp_path / "missing"), asked(1))
    with pytest.raises(InputError, match=r"has no folder .*missing: the project must lie under the same path on every"):
        raise unpacked(told["failure"])


def test_a_users_mistake_comes_back_as_it_is_with_where_it_was_raised(tmp_path):
    worker = Worker(work(Doubling(tmp_path, fails_at=2)), store().writer, tmp_path)
    error = unpacked(answer(worker, asked(3))["failure"])
    assert isinstance(error, ModelError)
    assert str(error) == "model m has no weights: name another"
    assert "ray_work.py" in str(error.__cause__)
    assert answer(worker, asked(2))["failure"] is None


class Unsendable(Exception):
    def __init__(self, _first, _second):
        super().__init__("only one argument is kept")


@pytest.mark.parametrize("error", [Unsendable(1, 2), OSError(28, "no space", "file")])
def test_errors_are_sent_whole_or_told(error):
    back = unpacked(packed(error))
    if isinstance(error, OSError):
        assert (back.errno, back.filename) == (28, "file")
    else:
        assert str(back) == "Unsendable: only one argument is kept"
    with pytest.raises(type(back)):
        raise back


def test_a_worker_can_be_sent_and_loads_its_weights_once(tmp_path):
    built = []

    def build():
        built.append(1)
        return Doubling(tmp_path)

    worker = Worker(Work("x", build, lambda rows: rows, 2), store().writer, tmp_path)
    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(lambda count: answer(worker, asked(count)), range(1, 5)))
    assert [row["failure"] for row in told] == [None] * 4
    assert built == [1]
    assert pickle.loads(pickle.dumps(store().writer)) == store().writer


def test_the_next_unit_is_read_while_the_model_runs_and_the_model_is_never_called_twice_at_a_time(tmp_path):
    read, inside = threading.Event(), []

    class Slow(Doubling):
        def __call__(self, rows):
            inside.append(1)
            assert len(inside) == 1
            assert rows.num_rows == 2 or read.wait(10)
            result = super().__call__(rows)
            inside.clear()
            return result

    def reading(rows):
        if rows.num_rows == 2:
            read.set()
        return rows

    worker = Worker(Work("x", lambda: Slow(tmp_path), reading, 2), store().writer, tmp_path)
    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(lambda count: answer(worker, asked(count)), (1, 2)))
    assert [row["failure"] for row in told] == [None, None]

import os

import pytest

from pipeline.errors import InputError
from pipeline.studies.queueing import POLL_S, Experiment, complete
from pipeline.studies.tasks import Queue
from tests.pipeline.studies.fake_dvc import DEAD_PID, FakeDvc, Task

ROWS = [Experiment(f"seeds-{seed}-12ab34cd", {"train.seed": seed}) for seed in range(3)]
NAMES = [row.name for row in ROWS]


@pytest.fixture
def dvc(tmp_path):
    return FakeDvc(tmp_path)


def go(dvc, **options):
    pauses = []
    return complete(ROWS, Queue(dvc, dvc.logs), pause=pauses.append, **options), pauses


def queued(dvc):
    return [line.split()[5] for line in dvc.said if line.startswith("dvc exp run --queue")]


def test_all_rows_are_queued_before_the_first_runs_and_no_worker_stays(dvc, capsys):
    failed, pauses = go(dvc, jobs=2)
    assert failed == {}
    assert dvc.finished == queued(dvc) == NAMES
    start = dvc.said.index("dvc queue start -j 2")
    assert not any("--queue" in line for line in dvc.said[start:])
    assert dvc.workers == 0
    assert set(pauses) == {POLL_S}
    said = capsys.readouterr().err
    assert f"1 of 3 done, running: {NAMES[1]} (check)" in said
    assert said.splitlines()[-1] == "3 of 3 done"


def test_finished_rows_are_not_run_again(dvc):
    dvc.finished = NAMES[:2]
    go(dvc)
    assert queued(dvc) == NAMES[2:]
    dvc.said.clear()
    assert go(dvc) == ({}, [])
    assert dvc.said == ["dvc exp list -A --name-only"]


def test_again_forgets_finished_rows_and_runs_them(dvc):
    dvc.finished = NAMES[:2]
    go(dvc, again=True)
    assert dvc.said[1] == f"dvc exp remove {NAMES[0]} {NAMES[1]}"
    assert queued(dvc) == NAMES


def test_rows_that_wait_or_run_since_an_earlier_call_are_taken_over(dvc):
    dvc.run_since(NAMES[0], os.getpid())
    dvc.tasks.append(Task(NAMES[1], "1" * 7))
    dvc.workers = 1
    assert go(dvc)[0] == {}
    assert queued(dvc) == NAMES[2:]
    assert not any("start" in line for line in dvc.said)


def test_a_busy_worker_that_does_not_answer_gets_no_second_one(dvc):
    dvc.run_since(NAMES[0], os.getpid())
    dvc.workers, dvc.answers = 1, False
    assert go(dvc)[0] == {}
    assert not any("start" in line or "kill" in line for line in dvc.said)


def test_a_row_that_a_switched_off_machine_left_running_is_run_anew(dvc):
    dvc.run_since(NAMES[0], DEAD_PID)
    failed, pauses = go(dvc)
    assert failed == {}
    assert pauses[:2] == [1.0, 1.0]
    assert f"dvc queue kill {NAMES[0]}" in dvc.said
    assert f"dvc queue remove {NAMES[0]}" in dvc.said
    assert queued(dvc) == NAMES


def test_a_worker_that_dies_is_replaced(dvc, monkeypatch):
    start = dvc.__class__.__call__
    starts = []

    def dies_at_first(self, command):
        answer = start(self, command)
        if command[1:3] == ["queue", "start"]:
            starts.append(command)
            self.workers = len(starts) - 1
        return answer

    monkeypatch.setattr(FakeDvc, "__call__", dies_at_first)
    assert go(dvc)[0] == {}
    assert len(starts) == 2
    assert dvc.finished == NAMES


def test_a_failed_row_is_told_the_others_go_on_and_it_is_tried_again(dvc):
    dvc.failing = {"seeds-1": "error: loss is not finite"}
    assert go(dvc)[0] == {NAMES[1]: "loss is not finite"}
    assert dvc.finished == [NAMES[0], NAMES[2]]
    dvc.failing = {}
    dvc.said.clear()
    assert go(dvc)[0] == {}
    assert dvc.said.index(f"dvc queue remove {NAMES[1]}") < dvc.said.index(
        f"dvc exp run --queue -n {NAMES[1]} -S train.seed=1"
    )


def test_a_row_that_is_nowhere_any_more_is_told(dvc, monkeypatch):
    monkeypatch.setattr(FakeDvc, "_pass", lambda self: self.tasks.clear())
    assert set(go(dvc)[0].values()) == {"DVC lost it"}


def test_an_interrupt_withdraws_the_rows_and_ends_the_workers(dvc):
    class Interrupt:
        def __init__(self):
            self.left = 2

        def __call__(self, _):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete(ROWS, Queue(dvc, dvc.logs), pause=Interrupt())
    assert not [task for task in dvc.tasks if task.state in ("Queued", "Running")]
    assert dvc.workers == 0


def test_other_peoples_experiments_stay_in_the_queue(dvc, capsys):
    dvc.tasks.append(Task("mine", "2" * 7))
    dvc.refuses = {NAMES[2]: "cannot"}
    with pytest.raises(InputError, match=rf"^DVC cannot queue {NAMES[2]}: cannot$"):
        go(dvc)
    assert [task.name for task in dvc.tasks] == ["mine"]
    assert "dvc queue stop" not in dvc.said
    dvc.refuses = {}
    go(dvc)
    assert "1 other experiments in DVC's queue run too" in capsys.readouterr().err


def test_a_queue_that_stops_answering_keeps_the_first_error(dvc):
    dvc.refuses = {"queue s": "broken"}
    with pytest.raises(InputError, match=r"^DVC's queue does not answer: broken$"):
        go(dvc)

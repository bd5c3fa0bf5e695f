import os

import pytest
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.studies.commands import Answer
from pipeline.studies.tasks import Queue, Task, written
from tests.pipeline.studies.fake_dvc import DEAD_PID, FakeDvc

STATUS = """
Task     Name             Created       Status
15f8b7f  seeds-3-12ab34cd  10:15 AM      Running
15f8b80  seeds-2-12ab34cd  Nov 20, 2025  Failed
b09dab6  seeds-1-12ab34cd  10:15 AM      Success
b09dab7  seeds-2-12ab34cd  10:17 AM      Queued
b09dab8  seeds-3-12ab34cd  Nov 19, 2025  Success

Worker status: 1 active, 2 idle
"""


def queue(answer, logs="nowhere"):
    return Queue(lambda _: answer, logs)


def test_the_status_is_read_and_of_two_tasks_of_a_name_the_open_one_counts():
    status = queue(Answer(0, STATUS)).status()
    assert status.workers == 3
    assert status.tasks["seeds-2-12ab34cd"] == Task("b09dab7", "Queued")
    assert status.names("Running") == ["seeds-3-12ab34cd"]
    empty = queue(Answer(0, "No experiment tasks in the queue.\n")).status()
    assert (empty.tasks, empty.workers) == ({}, 0)


def test_overrides_become_settings(tmp_path):
    dvc = FakeDvc(tmp_path)
    Queue(dvc).add("a-1", {"loss.llm_weight": 1e-5, "train.steps": 3})
    Queue(dvc).add("a-2", {})
    Queue(dvc).add("a-3", {"train.steps": 3}, "train")
    assert dvc.said == [
        "dvc exp run --queue -n a-1 -S loss.llm_weight=1e-05 -S train.steps=3",
        "dvc exp run --queue -n a-2",
        "dvc exp run --queue -n a-3 -S train.steps=3 train",
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of hydra's parser
def test_dvc_reads_a_value_back_as_it_was(tmp_path):
    from dvc.utils.hydra import apply_overrides

    values = {"a": 1e-05, "b": 0.0, "c": 5, "d": True, "e": None, "f": "student_teacher", "g": [20, 40], "h": "a b, c"}
    values["i"] = {"model": "stable-diffusion-v1-5/stable-diffusion-v1-5", "revision": "main"}
    path = tmp_path / "params.yaml"
    YAML().dump({"x": dict.fromkeys(values, 7)}, path)
    apply_overrides(path, [f"x.{key}={written(value)}" for key, value in values.items()])
    found = YAML(typ="safe").load(path)["x"]
    assert found == values
    assert [type(found[key]) for key in values] == [type(value) for value in values.values()]


def test_nothing_to_kill_or_remove_asks_nothing(tmp_path):
    dvc = FakeDvc(tmp_path)
    for act in (Queue(dvc).kill, Queue(dvc).remove, Queue(dvc).forget):
        act([])
    assert dvc.said == []


def test_a_refusal_is_one_line(tmp_path):
    dvc = FakeDvc(tmp_path, refuses={"--queue": "Unable to acquire lock. Most likely another DVC process is running"})
    with pytest.raises(InputError, match=r"^DVC cannot queue a-1: Unable to acquire lock"):
        Queue(dvc).add("a-1", {})


def test_log_stage_and_life_of_a_task(tmp_path):
    dvc = FakeDvc(tmp_path)
    dvc.run_since("alive", os.getpid())
    dvc.run_since("dead", DEAD_PID)
    dvc.run_since("new", None)
    at = Queue(dvc, tmp_path)
    tasks = at.status().tasks
    assert [at.is_alive(tasks[name]) for name in ("alive", "dead", "new")] == [True, False, False]
    assert at.stage(tasks["alive"]) == "train"
    assert at.stage(tasks["new"]) == "starting"
    assert at.log(tasks["new"]) == ""
    next(tmp_path.glob(f"{tasks['alive'].revision}*/*.json")).write_text("{half a file")
    assert not at.is_alive(tasks["alive"])

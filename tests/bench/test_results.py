import socket
import sys

import pytest

from bench import results
from pipeline.files import read_json


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    return tmp_path


def test_figures_are_kept_with_the_machine_and_come_back(folder):
    path = results.save("one", {"b_s": 2.0, "a_s": 1.0})
    assert path == folder / "one.json"
    assert path.read_text().index('"a_s"') < path.read_text().index('"b_s"')
    kept = read_json(path)
    assert kept["figures"] == {"a_s": 1.0, "b_s": 2.0}
    assert kept["machine"]["cores"] >= 1
    assert kept["machine"]["threads"] == 1
    assert kept["machine"]["torch"]


def test_no_host_is_named():
    assert socket.gethostname() not in results.save("one", {}).read_text()


def test_a_bench_that_never_imports_torch_tells_its_threads_from_the_environment(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert results.machine()["threads"] == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert results.machine()["threads"] == results.machine()["cores"]


def test_a_gpu_is_told_where_there_is_one(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    assert results.machine()["gpu"] == "a card"


def test_a_processor_without_a_name_is_unknown(monkeypatch):
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_args, **_more: "vendor_id : none\n")
    assert results.machine()["processor"] == "unknown"

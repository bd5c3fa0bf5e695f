"""Engine ``ray`` without Ray: what is asked of it, with a stand-in; tests with Ray itself are in test_ray_clusters."""

import os
import socket
import sys
from contextlib import closing
from dataclasses import replace
from functools import cache
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest

from pipeline import operating, ray_engine
from pipeline.errors import InputError, ModelError, SettingError, StorageError
from pipeline.work import ChunkWriter
from tests.closure import ROOT
from tests.pipeline.ray_work import Doubling, asked, bytes_of, doubled, local_bytes, pool, store, work


class Dataset(SimpleNamespace):
    """A data set of Ray with a pool of one worker, in this thread."""

    def map_batches(self, kind, *, fn_constructor_args, **settings):
        self.made.append(settings)
        return Dataset(blocks=map(kind(*fn_constructor_args), self.blocks), made=self.made)

    def iter_batches(self, **_):
        return (block for block in self.blocks)


@pytest.fixture
def stand_in(monkeypatch):
    """Module ``ray`` with the little that is asked of it; ``calls`` says how it began and ended."""
    data = ModuleType("ray.data")
    data.DataContext = SimpleNamespace(get_current=SimpleNamespace)
    data.ActorPoolStrategy = SimpleNamespace
    data.made = []
    data.from_arrow = lambda blocks: Dataset(blocks=blocks, made=data.made)
    ray = ModuleType("ray")
    ray.__spec__, ray.data, ray.calls = ModuleSpec("ray", None), data, []
    ray.init = lambda address, **settings: ray.calls.append((address, settings))
    ray.shutdown = lambda: ray.calls.append("shutdown")
    ray.nodes = lambda: [{"Alive": True, "Resources": {"CPU": 4.0}}, {"Alive": False, "Resources": {"GPU": 8.0}}]
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.data", data)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for name in ("USAGE_STATS_ENABLED", "BACKEND_LOG_LEVEL", "ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        monkeypatch.setenv(f"RAY_{name}", "1")  # so that it is put back
    monkeypatch.setenv("RAY_gcs_server_port_wait_time_s", "1")
    return ray


def test_a_missing_extra_is_one_line(monkeypatch):
    monkeypatch.setattr(ray_engine.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SettingError, match=r"^compute.engine is ray, but Ray is not installed: pip install .\[ray\]$"):
        ray_engine.runner(pool())


def test_a_cluster_of_this_machine_has_spare_cpus_and_ends_with_the_work(stand_in, tmp_path):
    kept = store()
    ray_engine.runner(pool())(work(Doubling(tmp_path)), asked(10), kept)
    (address, settings), end = stand_in.calls
    assert (address, end) == ("local", "shutdown")
    assert settings["num_cpus"] == 4
    assert not settings["include_dashboard"]
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert bytes_of(kept) == local_bytes(10, tmp_path)


def test_the_pool_is_what_the_settings_say_and_no_larger_than_the_work(stand_in, tmp_path):
    ray_engine.runner(pool(cpus_per_actor=0.5))(work(Doubling(tmp_path)), asked(10), store())
    ray_engine.runner(pool())(work(Doubling(tmp_path)), asked(12), store())
    first, second = stand_in.data.made
    assert (first["compute"].size, first["num_cpus"], first["num_gpus"]) == (2, 0.5, None)
    assert second["compute"].size == 1


def test_no_cluster_is_started_where_nothing_is_missing(stand_in, tmp_path):
    operating.local(work(Doubling(tmp_path)), asked(4), store())
    ray_engine.runner(pool())(work(Doubling(tmp_path)), asked(4), store())
    assert not stand_in.calls


def test_a_users_mistake_in_a_worker_is_raised_and_ends_the_cluster(stand_in, tmp_path):
    kept = store()
    with pytest.raises(ModelError, match=r"^model m has no weights: name another$"):
        ray_engine.runner(pool())(work(Doubling(tmp_path, fails_at=4)), asked(9), kept)
    assert stand_in.calls[-1] == "shutdown"
    assert doubled(kept, 3)


def test_a_builder_that_remembers_is_sent_without_its_memory(stand_in, tmp_path):
    done = replace(work(Doubling(tmp_path)), build=cache(lambda: Doubling(tmp_path)))
    ray_engine.runner(pool())(done, asked(4), store())
    assert done.build.cache_info().misses == 0


def test_a_chunk_that_this_machine_does_not_see_is_one_line(stand_in, tmp_path, monkeypatch):
    kept = store()
    elsewhere = ChunkWriter(tmp_path / "elsewhere", kept.schema)
    monkeypatch.setattr(type(kept), "writer", property(lambda _: elsewhere))
    with pytest.raises(
        StorageError, match=r"^a worker wrote chunk-[0-9a-f]{16}\.parquet, which is not on this machine: all"
    ):
        ray_engine.runner(pool())(work(Doubling(tmp_path)), asked(4), kept)


def test_an_address_where_nobody_listens_is_refused_at_once(stand_in, tmp_path):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingError, match=f"^compute.ray.address is {address}, but no Ray cluster answers there"):
            ray_engine.runner(pool(address=address))(work(Doubling(tmp_path)), asked(4), store())
    assert stand_in.calls == ["shutdown"]


def test_an_address_where_something_else_answers_is_refused(stand_in, tmp_path):
    def refuse(_address, **_):
        raise ConnectionError("Failed to connect to Ray cluster\nand more")

    stand_in.init = refuse
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(SettingError, match=r"RAY_AUTH_MODE=token\): Failed to connect to Ray cluster$"):
            ray_engine.runner(pool(address=address))(work(Doubling(tmp_path)), asked(4), store())


def test_a_cluster_that_runs_is_joined_and_left(stand_in, tmp_path):
    ray_engine.runner(pool(address="auto"))(work(Doubling(tmp_path)), asked(4), store())
    (address, settings), end = stand_in.calls
    assert (address, end) == ("auto", "shutdown")
    assert "num_cpus" not in settings


def test_a_pool_that_takes_this_machine_whole_is_refused_before_anything_runs(stand_in):
    with pytest.raises(SettingError, match="is 3 CPUs, but the cluster has 4"):
        ray_engine.runner(pool(actors=3))
    assert not stand_in.calls


def failing(kind, text):
    """What Ray raises: known by its module."""
    error = type(kind, (Exception,), {"__module__": "ray.exceptions"})

    def raising(*_, **__):
        raise error(text)

    return raising


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        (
            "ActorDiedError",
            "System error: No module named 'pipeline'",
            r"load the code \(No module named 'pipeline'",
        ),
        ("ExecutionTimeoutError", "no progress", "no worker of the Ray cluster has answered for 120 minutes"),
    ],
)
def test_what_ray_fails_with_is_one_line_where_a_user_can_put_it_right(stand_in, tmp_path, kind, text, says):
    stand_in.data.from_arrow = failing(kind, text)
    with pytest.raises(InputError, match=says):
        ray_engine.runner(pool())(work(Doubling(tmp_path)), asked(4), store())
    assert stand_in.calls[-1] == "shutdown"


def test_what_else_ray_fails_with_is_raised_as_it_is(stand_in, tmp_path):
    stand_in.data.from_arrow = failing("RaySystemError", "something else")
    with pytest.raises(Exception, match=r"^something else$"):
        ray_engine.runner(pool())(work(Doubling(tmp_path)), asked(4), store())


def test_workers_take_the_code_that_runs_here(stand_in, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["more", "/elsewhere", ""]))
    ray_engine.runner(pool())(work(Doubling(tmp_path)), asked(4), store())
    paths = stand_in.calls[0][1]["runtime_env"]["env_vars"]["PYTHONPATH"].split(os.pathsep)
    assert paths == [str(ROOT), str(tmp_path / "more"), "/elsewhere"]

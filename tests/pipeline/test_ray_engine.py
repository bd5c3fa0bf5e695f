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
from pydantic import ValidationError

from pipeline import operating, ray_engine
from pipeline.errors import ModelError, SettingError, StorageError
from pipeline.work import ChunkWriter
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


def test_a_cluster_of_this_machine_has_spare_cpus_is_out_of_reach_and_ends_with_the_work(stand_in, tmp_path):
    kept = store()
    ray_engine.runner(pool())(work(Doubling(tmp_path)), asked(10), kept)
    (address, settings), end = stand_in.calls
    assert (address, end) == ("local", "shutdown")
    assert settings["num_cpus"] == 4
    assert settings["_node_ip_address"] == "127.0.0.1"
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
    with pytest.raises(StorageError, match="which is not on this machine: all nodes of a Ray cluster must share"):
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
        with pytest.raises(SettingError, match=r"answers there: Failed to connect to Ray cluster$"):
            ray_engine.runner(pool(address=address))(work(Doubling(tmp_path)), asked(4), store())


def test_a_cluster_that_runs_is_joined_and_left(stand_in, tmp_path):
    ray_engine.runner(pool(address="auto"))(work(Doubling(tmp_path)), asked(4), store())
    (address, settings), end = stand_in.calls
    assert (address, end) == ("auto", "shutdown")
    assert "num_cpus" not in settings


@pytest.mark.parametrize(
    ("changes", "nodes", "says"),
    [
        ({"actors": 3}, [{"CPU": 4}], "cpus_per_actor is 3 CPUs, but the cluster has 4 and more than 1 must stay free"),
        ({"actors": 2, "cpus_per_actor": 4}, [{"CPU": 8}], "is 8 CPUs, but the cluster has 8"),
        ({"gpus_per_actor": 1}, [{"CPU": 9}], "gpus_per_actor is 2 GPUs, but the cluster has 0"),
        ({"gpus_per_actor": 1}, [{"CPU": 9, "GPU": 1}], "is 2 GPUs, but the cluster has 1"),
        ({"cpus_per_actor": 2}, [{"CPU": 3}, {"CPU": 1}, {"CPU": 2, "GPU": 1}], None),
        ({"actors": 1, "cpus_per_actor": 3}, [{"CPU": 2}] * 3, "the cluster's 3 nodes have room for 0"),
        (
            {"gpus_per_actor": 1},
            [{"CPU": 9}, {"CPU": 1, "GPU": 2}],
            "each the cluster's 2 nodes have room for 1",
        ),
        ({"actors": 4, "gpus_per_actor": 0.5}, [{"CPU": 9, "GPU": 2}], None),
    ],
)
def test_a_pool_must_fit_the_cluster(changes, nodes, says):
    if says is None:
        ray_engine.refuse_pool(pool(**changes), nodes)
    else:
        with pytest.raises(SettingError, match=says):
            ray_engine.refuse_pool(pool(**changes), nodes)


def test_a_pool_that_takes_this_machine_whole_is_refused_before_anything_runs(stand_in):
    with pytest.raises(SettingError, match="is 3 CPUs, but the cluster has 4"):
        ray_engine.runner(pool(actors=3))
    assert not stand_in.calls


@pytest.mark.parametrize("changes", [{"address": "ray://host:1"}, {"address": "host"}, {"cpus_per_actor": 1.5}])
def test_settings_that_ray_does_not_take_are_refused(changes):
    with pytest.raises(ValidationError):
        pool(**changes)

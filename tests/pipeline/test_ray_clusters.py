"""Engine ``ray`` with Ray itself: on two nodes, on this machine, with actors and nodes lost (make test-ray)."""

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec

import pytest
from ruamel.yaml import YAML

from pipeline import cli, ray_engine
from pipeline.errors import SettingError
from tests import conftest
from tests.closure import ROOT
from tests.pipeline import tiny_models
from tests.pipeline.frozen_models import blip_folder, llama_folder
from tests.pipeline.ray_work import Doubling, asked, bytes_of, doubled, local_bytes, pool, store, work
from tests.pipeline.test_prompts import ENTRY
from tests.stages import pairs, test_embed, test_sample

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed: make test-ray"),
    # Ray sets outdated options of its own when it makes its context.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),
    # Ray leaves its log files and the handles of its processes to the garbage collector when it shuts down.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.usefixtures("_own_address"),
]


@pytest.fixture(scope="module")
def cluster():
    """Two nodes with three logical CPUs each: an actor of two CPUs has to go to a node of its own."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 3, "object_store_memory": 100_000_000, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    made.add_node(**node)
    yield made
    made.shutdown()
    del made
    gc.collect()  # while the filters above hold


@pytest.fixture
def _own_address(monkeypatch):
    """Ray goes by the machine's own address, and finds it by a UDP socket that is connected but sends nothing."""
    monkeypatch.setattr(socket.socket, "connect", conftest._connect)
    yield
    gc.collect()  # while the filters above hold


def on(cluster, **changes):
    return ray_engine.runner(pool(**{"address": cluster.address, "cpus_per_actor": 2} | changes))


def raylet(node):
    return node.all_processes["raylet"][0].process.pid


def test_two_nodes_both_work_and_the_bytes_are_those_of_this_process(cluster, tmp_path):
    kept = store()
    on(cluster)(work(Doubling(tmp_path)), asked(40), kept)
    assert doubled(kept, 40)
    assert len(list(tmp_path.glob("raylet-*"))) == 2
    assert bytes_of(kept) == local_bytes(40, tmp_path)


def test_an_actor_killed_by_its_pid_costs_no_row_and_no_duplicate(cluster, tmp_path):
    kept = store()
    on(cluster)(work(Doubling(tmp_path, dies_at=20)), asked(40), kept)
    assert (tmp_path / "died").exists()
    assert doubled(kept, 40)
    assert bytes_of(kept) == local_bytes(40, tmp_path)


def test_a_users_mistake_in_a_worker_is_one_line(cluster, tmp_path, capsys):
    run = on(cluster)
    assert cli.guarded(lambda: run(work(Doubling(tmp_path, fails_at=4)), asked(9), store())) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: model m has no weights: name another"


def test_a_bug_in_a_worker_keeps_its_traceback(cluster, tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        on(cluster)(work(Doubling(tmp_path, bug_at=4)), asked(9), store())
    assert "ray_work.py" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"actors": 5, "cpus_per_actor": 1}, "cpus_per_actor is 5 CPUs, but the cluster has 6"),
        ({"gpus_per_actor": 1}, "gpus_per_actor is 2 GPUs, but the cluster has 0"),
        ({"actors": 1, "cpus_per_actor": 4}, "the cluster's 2 nodes have room for 0"),
    ],
)
def test_a_pool_that_the_cluster_cannot_hold_is_refused(cluster, tmp_path, changes, says):
    with pytest.raises(SettingError, match=says):
        on(cluster, **changes)(work(Doubling(tmp_path)), asked(4), store())


def test_a_node_that_is_lost_costs_no_row(cluster, tmp_path):
    """Last, since the cluster has one node afterwards."""
    for name in ("fifo", "gate"):
        os.mkfifo(tmp_path / name)
    lost = next(iter(cluster.worker_nodes))

    gate = os.open(tmp_path / "gate", os.O_RDWR)

    def lose():
        assert int((tmp_path / "fifo").read_text()) == raylet(lost)
        cluster.remove_node(lost, allow_graceful=False)
        os.write(gate, b".")

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    kept = store()
    operator = Doubling(tmp_path, head=raylet(cluster.head_node))
    on(cluster)(work(operator), asked(40), kept)
    thread.join()
    os.close(gate)
    assert doubled(kept, 40)
    assert bytes_of(kept) == local_bytes(40, tmp_path)


def command(module, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def both_engines_give_the_same(stage, folder, monkeypatch, write_settings):
    made = {}
    for kind in ("local", "ray"):
        monkeypatch.setenv("SUR_WORK", f"work-{kind}")  # relative: a worker starts elsewhere
        write_settings(kind)
        process = command(f"stages.{stage}", folder)
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
        made[kind] = files(folder / "data" / stage)
        assert list((folder / f"work-{kind}").rglob("chunk-*.parquet"))
    assert made["ray"] == made["local"]


def settings(folder, kind, **sections):
    yaml = YAML()
    document = yaml.load((ROOT / "params.yaml").read_text())
    small = {"caption_batch": 4, "llm_batch": 1, "engine": kind, "device": "cpu"}
    for section, values in {**sections, "compute": small}.items():
        document[section].update(values)
    with (folder / "params.yaml").open("w") as stream:
        yaml.dump(document, stream)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("stage", ["caption", "embed"])
def test_a_stage_gives_the_bytes_of_the_engine_local(tmp_path, monkeypatch, stage):
    """By its command, since Ray must send what ``__main__`` defines."""
    blip, digest = blip_folder(tmp_path / "blip")
    llama, revision = llama_folder(tmp_path / "llama")
    pairs.clean(tmp_path / "data" / "clean" / "samples.parquet", range(10))
    pairs.download(tmp_path / "data" / "download" / "parts", range(10))
    test_embed.surd(tmp_path / "data" / "resize" / "parts", test_embed.TEXTS)
    models = {
        "blip": {"model": blip, "revision": digest, "max_length": 8},
        "llm": {"model": llama, "revision": revision, "layer": 2},
    }
    both_engines_give_the_same(stage, tmp_path, monkeypatch, lambda kind: settings(tmp_path, kind, **models))


@pytest.mark.parametrize("stage", ["latents", "sample"])
def test_a_stage_of_the_base_model_gives_the_bytes_of_the_engine_local(tmp_path, monkeypatch, stage):
    tiny_models.write_pictures(tmp_path / "data/resize/parts")
    test_sample.write_adapter(tmp_path / "data/train/adapter")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/miniature.json").write_text(json.dumps([ENTRY]))
    both_engines_give_the_same(
        stage,
        tmp_path,
        monkeypatch,
        lambda kind: tiny_models.write_params(tmp_path / "params.yaml", compute={"engine": kind}),
    )


def test_an_interrupt_ends_it_in_one_line(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "stalling.py").write_text(STALLING)
    fifo = os.open(tmp_path / "fifo", os.O_RDWR)
    process = command("stalling", tmp_path)
    assert select.select([fifo], [], [], 150)[0]
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=100)
    os.close(fifo)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].startswith("interrupted: finished work is kept")
    assert "Traceback" not in errors


STALLING = """
import signal
from pathlib import Path
from pipeline import cli, ray_engine
from tests.pipeline.ray_work import Doubling, asked, pool, store, work

def main():
    ray_engine.runner(pool(actors=1))(work(Doubling(Path.cwd(), stalls_at=0)), asked(4), store())

signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background hands down a deaf ear
cli.run(main, doc=None)
"""

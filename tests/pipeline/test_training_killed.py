"""A training that is killed with SIGKILL and started again ends at the bits of one that nobody disturbed."""

import functools
import multiprocessing
import signal

import pytest

from tests.pipeline import training_once


@pytest.fixture(scope="module")
def start():
    """Trains in a process of its own, forked from one that has everything imported; gives its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([training_once.__name__])

    def train(folder, kind, **options):
        folder.mkdir(exist_ok=True)
        process = context.Process(target=training_once.run, args=(folder, kind), kwargs=options)
        process.start()
        process.join(120)
        return process.exitcode

    return train


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    """What a training of a kind leaves that nobody disturbs; each is done once."""

    @functools.cache
    def weights(kind):
        folder = tmp_path_factory.mktemp("whole")
        assert start(folder, kind) == 0
        return (folder / "done.safetensors").read_bytes()

    return weights


KILLS = [
    *(("sur cross_attention", step, while_saving) for step in range(1, 6) for while_saving in (False, True)),
    ("sur frozen", 3, False),
    ("llm4gen full", 3, True),
]
"""What is trained, the step that a kill follows, and whether it falls into the saving of that step."""


@pytest.mark.slow
@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_killed_after_any_step_or_while_saving_it_the_weights_are_the_same_bytes(start, whole, tmp_path, kill):
    kind, step, while_saving = kill
    assert start(tmp_path, kind, kill_at=step, while_saving=while_saving) == -signal.SIGKILL
    assert not (tmp_path / "done.safetensors").exists()
    assert start(tmp_path, kind) == 0
    assert (tmp_path / "done.safetensors").read_bytes() == whole(kind)

"""A training that is killed with SIGKILL and started again ends at the bits of one that nobody disturbed."""

import multiprocessing
import signal

import pytest

from tests.pipeline import training_once


@pytest.fixture(scope="module")
def start():
    """Trains in a process of its own, forked from one that has everything imported; gives its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([training_once.__name__])

    def train(folder, **options):
        folder.mkdir(exist_ok=True)
        process = context.Process(target=training_once.run, args=(folder,), kwargs=options)
        process.start()
        process.join(120)
        return process.exitcode

    return train


@pytest.mark.slow
def test_killed_after_any_step_or_while_saving_the_weights_are_the_same_bytes(start, tmp_path):
    assert start(tmp_path / "whole") == 0
    whole = (tmp_path / "whole/done.safetensors").read_bytes()
    for step, while_saving in [*((step, False) for step in range(1, 6)), (2, True), (4, True), (5, True)]:
        folder = tmp_path / f"killed-{step}-{while_saving}"
        assert start(folder, kill_at=step, while_saving=while_saving) == -signal.SIGKILL
        assert not (folder / "done.safetensors").exists()
        assert start(folder) == 0
        assert (folder / "done.safetensors").read_bytes() == whole

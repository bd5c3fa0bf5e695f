"""Two processes under torchrun train to the weights of one process."""

import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from pipeline.files import read_json
from tests.closure import ROOT
from tests.pipeline import training_processes
from tests.pipeline.training_setup import process

UNSEEN = ("adapter.h2.bias", "adapter.key.bias")  # a key's bias shifts all logits of a query: softmax cannot see it


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """What one process leaves, and what two leave."""
    root = tmp_path_factory.mktemp("processes")
    one, two = root / "one", root / "two"
    one.mkdir(), two.mkdir()
    training_processes.run(one, process())
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    subprocess.run(
        [sys.executable, *command, "-m", training_processes.__name__, str(two)],
        check=True,
        cwd=ROOT,
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
        timeout=280,
    )
    return one, two


@pytest.mark.slow
@pytest.mark.parametrize("kind", training_processes.TRAINED)
def test_two_processes_train_to_the_weights_of_one(folders, kind):
    one, two = (folder / kind for folder in folders)
    told = [read_json(folder / "history.json") for folder in (one, two)]
    assert [each["processes"] for each in told] == [1, 2]
    for (_, alone), (_, together) in zip(*(each["history"] for each in told), strict=True):
        assert together == pytest.approx(alone, rel=1e-3)
    start, end, other = load_file(one / "start.safetensors"), *(load_file(at / "end.safetensors") for at in (one, two))
    moved = {name: (end[name] - start[name]).norm().item() for name in start}
    for name in (name for name, way in moved.items() if way > 0 and name not in UNSEEN):
        assert (end[name] - other[name]).norm().item() < 0.02 * moved[name], name

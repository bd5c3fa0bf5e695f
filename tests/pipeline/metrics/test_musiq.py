"""pyiqa is an extra that is not installed here: these tests hold what is asked of it, not its numbers."""

import sys
import types

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.files import file_digest
from pipeline.metrics.musiq import Musiq
from pipeline.metrics.settings import MusiqMetric
from tests.pipeline.frozen_models import picture


def _setting(path, revision=None):
    return MusiqMetric(kind="musiq", weights=str(path), revision=revision or file_digest(path)[:8])


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "musiq.pth"
    path.write_bytes(b"weights")
    return path


def test_pyiqa_is_given_the_weights_and_each_picture_alone(weights, monkeypatch):
    asked = []

    def create_metric(name, **options):
        asked.append((name, options))
        return lambda pixels: pixels[0, 0].max() * 60 + pixels.shape[2]

    monkeypatch.setitem(sys.modules, "pyiqa", types.SimpleNamespace(create_metric=create_metric))
    found = Musiq(_setting(weights), "cpu").values([picture("red", (40, 32)), picture("black", (8, 4))])
    assert asked == [("musiq", {"pretrained_model_path": str(weights), "device": torch.device("cpu")})]
    assert found == [60.0 + 32, 4.0]


def test_without_the_extra_it_is_told_how_to_get_it(weights, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(ModelError, match=r"pip install '\.\[musiq\]'"):
        Musiq(_setting(weights), "cpu")


def test_other_weights_are_refused(weights):
    with pytest.raises(ModelError, match="have revision"):
        Musiq(_setting(weights, "0" * 8), "cpu")

import builtins
import sys

import pytest

from pipeline.vision_shim import ensure_torchvision


def test_torchvision_is_there_and_asking_twice_is_harmless():
    ensure_torchvision()
    ensure_torchvision()
    from torchvision.transforms import v2

    assert v2.Resize


def test_any_other_fault_of_torchvision_is_not_hidden(monkeypatch):
    original = builtins.__import__

    def broken(name, *args, **kwargs):
        if name == "torchvision":
            raise RuntimeError("something else")
        return original(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "torchvision")
    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(RuntimeError, match="something else"):
        ensure_torchvision()

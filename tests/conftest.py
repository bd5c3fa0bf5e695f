"""What every test shares: one thread, no work store outside the test's folder, no network beyond loopback."""

import os
import socket

os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when huggingface_hub is first imported

import pytest
import torch
from hypothesis import settings

from pipeline.vision_shim import ensure_torchvision

ensure_torchvision()
torch.set_num_threads(1)
settings.register_profile("any machine", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("any machine")
_connect = socket.socket.connect


def _loopback_only(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"a test tried to reach {address[0]}")
    return _connect(self, address)


@pytest.fixture(autouse=True)
def _closed_world(monkeypatch, tmp_path):
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "work"))
    monkeypatch.setattr(socket.socket, "connect", _loopback_only)

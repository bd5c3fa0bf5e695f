import argparse
import socket
import threading
import urllib.request
import webbrowser
from pathlib import Path

import pytest
import waitress

from pipeline import app
from pipeline.demo import command
from pipeline.errors import InputError
from tests.pipeline import tiny_models
from tests.pipeline.methods import tiny_controlnet
from tests.pipeline.test_shots import config
from tests.stages.test_sample import write_adapter


@pytest.fixture
def asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_adapter(tmp_path / "data/train/adapter")
    tiny_models.write_params(tmp_path / "params.yaml")
    return argparse.Namespace(adapter=Path("data/train/adapter"), port=0, no_browser=False)


def test_the_page_is_served_on_this_machine_and_draws(asked, monkeypatch):
    opened, servers = [], []
    listening = waitress.create_server

    def started(*arguments, **named):
        servers.append(listening(*arguments, **named))
        return servers[0]

    monkeypatch.setattr(waitress, "create_server", started)
    found = threading.Event()
    monkeypatch.setattr(webbrowser, "open", lambda address: (opened.append(address), found.set()))
    errors = []

    def serve():
        try:
            command.run(asked)
        except OSError as error:  # its sockets are closed under it
            errors.append(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert found.wait(60)
    with urllib.request.urlopen(opened[0]) as answer:
        assert "base beside ours" in answer.read().decode()
    with urllib.request.urlopen(opened[0], data=b"prompt=two&eta=0&seed=1&method=none") as answer:
        assert answer.read().count(b"base64,") == 2
    servers[0].close()
    thread.join(10)


def test_a_port_that_is_taken_is_told(asked):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        asked.port = other.getsockname()[1]
        with pytest.raises(
            InputError, match=f"cannot listen on 127.0.0.1, port {asked.port}: .*; choose another --port"
        ):
            command.run(asked)


def test_controlnets_are_offered_where_they_are_set():
    nets = {"canny": None, "seg": tiny_controlnet.seg("prompts/seg")}
    assert command.usable(config()) == ["none", "weighting", "panorama", "sag", "pag"]
    assert command.usable(config(controlnets=nets)) == ["none", "seg", "weighting", "panorama", "sag", "pag"]


def test_ctrl_c_ends_it_without_a_traceback(asked, monkeypatch, capsys):
    class Interrupted:
        def __init__(self, sockets):
            [self.bound] = sockets

        def run(self):
            raise KeyboardInterrupt

        def close(self):
            self.bound.close()

    monkeypatch.setattr(waitress, "create_server", lambda _, *, sockets, threads: Interrupted(sockets))
    with pytest.raises(SystemExit) as ended:
        app.main(["demo", "--no-browser", "--port", "0"])
    assert ended.value.code == 0
    said = capsys.readouterr().err
    assert "http://127.0.0.1:" in said
    assert "demo: ended" in said

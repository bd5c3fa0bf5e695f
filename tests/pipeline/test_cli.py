import argparse
import errno
import sys

import pytest
from safetensors import SafetensorError

from pipeline import cli
from pipeline.errors import SettingError, SurError


def failing(error):
    def action():
        raise error

    return action


def test_a_users_mistake_is_one_line_each_and_exit_code_1(capsys):
    assert cli.guarded(failing(SettingError("a is wrong\nb is wrong"))) == 1
    assert capsys.readouterr().err == "error: a is wrong\nerror: b is wrong\n"


@pytest.mark.parametrize("text", ["x", "-1", "65536", "1.5", ""])
def test_a_port_is_told_what_it_must_be(text):
    assert [cli.port("0"), cli.port("65535")] == [0, 65535]
    with pytest.raises(argparse.ArgumentTypeError, match=f"must be 0 to 65535, got {text}"):
        cli.port(text)


def test_a_full_disk_is_one_line(capsys):
    assert cli.guarded(failing(OSError(errno.ENOSPC, "No space", "data/x"))) == 1
    assert capsys.readouterr().err == "error: the disk is full (data/x): free some space and run again\n"


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
    ],
)
def test_a_full_disk_is_recognised_in_the_words_of_libraries(capsys, error):
    assert cli.guarded(failing(error)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the disk is full or cannot be written (")
    assert str(error) in line


def test_other_errors_keep_their_traceback():
    with pytest.raises(OSError, match="odd"):
        cli.guarded(failing(OSError(errno.EIO, "odd")))
    with pytest.raises(KeyError):
        cli.guarded(failing(KeyError("x")))


def test_an_interrupt_says_how_to_go_on(capsys):
    assert cli.guarded(failing(KeyboardInterrupt())) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_help_is_the_modules_docstring(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["stage", "--help"])
    with pytest.raises(SystemExit) as caught:
        cli.run(lambda: None, "Stage x.\n\nReads  a", {"source": "which site"})
    out = capsys.readouterr().out
    assert caught.value.code == 0
    assert "Reads  a" in out
    assert "which site" in out


def test_arguments_reach_the_command(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "argv", ["stage", "lexica"])
    with pytest.raises(SystemExit) as caught:
        cli.run(seen.append, "doc", {"source": "which site"})
    assert (seen, caught.value.code) == (["lexica"], 0)


def test_a_failing_command_ends_with_exit_code_1(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as caught:
        cli.run(failing(SurError("no")), "doc")
    assert caught.value.code == 1
    assert "error: no" in capsys.readouterr().err


def test_progress_passes_items_through(capsys):
    assert list(cli.progress([1, 2], "work")) == [1, 2]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("given", "offline"), [([], False), (["--offline"], True)])
def test_a_switch_is_off_unless_it_is_given(monkeypatch, given, offline):
    seen = []
    monkeypatch.setattr(sys, "argv", ["stage", "lexica", *given])
    with pytest.raises(SystemExit) as caught:
        cli.run(
            lambda source, offline: seen.append((source, offline)), "x", {"source": "which"}, {"offline": "ask nobody"}
        )
    assert caught.value.code == 0
    assert seen == [("lexica", offline)]

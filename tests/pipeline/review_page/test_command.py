import http.client
import io
import socket
import sys
from pathlib import Path

import pytest

from pipeline import app, sur
from pipeline.errors import InputError
from pipeline.review_page import command
from tests.pipeline.review_page.made import Served, served, workspace


@pytest.mark.parametrize("name", ["", "  ", "a" * 81, "Ann\nBob", "Ann\x00", "\u202eAnn", "x (not a person)"])
def test_names_that_cannot_stand_in_a_file_are_refused(name):
    with pytest.raises(InputError):
        command.checked_name(name)


def test_a_name_of_any_script_is_a_name():
    assert command.checked_name(" Zoë Łąka 王 ") == "Zoë Łąka 王"


def test_a_name_becomes_a_safe_file_name(tmp_path):
    """A torn line in the file that the name means: that it is mended says that this is the file."""
    workspace(tmp_path, 1)
    path = tmp_path / "reviews/triplets/etc-ann-bob.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"torn')
    with served(tmp_path, "--reviewer", '../../etc/Ann & "Bob"') as running:
        assert running.address.startswith("http://127.0.0.1:")
        assert "etc-ann-bob.jsonl: 6 bytes of a line that was never saved are taken away" in running.end()[1]
    assert [found for found in (tmp_path / "reviews").rglob("*") if found.is_file()] == [path]
    assert path.read_text() == ""
    assert not (tmp_path / "etc").exists()


def test_two_pages_on_one_file_are_refused(tmp_path):
    workspace(tmp_path, 1)
    with served(tmp_path, "--reviewer", "Ann"), served(tmp_path, "--reviewer", "ann") as second:
        assert second.address == ""
        assert "ann.jsonl is in use by another review page" in second.end()[1]
        assert second.process.returncode == 1


def test_another_spelling_of_a_name_is_no_second_person(tmp_path):
    workspace(tmp_path, 1)
    path = tmp_path / "reviews/triplets/ann.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"reviewer": "Ann"}\n7\n{"reviewer": "A nn"}\n')
    running = Served(tmp_path, "--reviewer", "ann")
    assert "holds verdicts of A nn, Ann, not of ann: one person has one name" in running.end()[1]


def test_others_may_work_beside(tmp_path):
    workspace(tmp_path, 1)
    with served(tmp_path, "--reviewer", "Ann"), served(tmp_path, "--reviewer", "Bob") as second:
        assert second.address


def listening(port):
    """Addresses, as the kernel of Linux writes them, on which anything listens on a port."""
    tables = (path for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if path.is_file())  # not all have IPv6
    sockets = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    ends = [one[1].split(":") for one in sockets if one[3] == "0A"]
    return {address for address, at in ends if int(at, 16) == port}


def test_it_listens_on_loopback_alone(tmp_path):
    with served(workspace(tmp_path, 1), "--reviewer", "Ann") as running:
        if sys.platform == "linux":
            assert listening(running.port) == {"0100007F"}
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().status == 401
        connection.close()
        _, said = running.end()
    assert "warning" not in said
    assert "0 answered, 1 to go" in said


def test_another_address_is_an_explicit_wish_with_a_warning(tmp_path):
    with served(workspace(tmp_path, 1), "--reviewer", "Ann", "--host", "0.0.0.0") as running:
        assert running.address.startswith("http://0.0.0.0:")
        assert "warning: whoever reaches 0.0.0.0" in running.end()[1]


def test_a_port_that_is_taken_is_told(tmp_path):
    workspace(tmp_path, 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = Served(tmp_path, "--reviewer", "Ann", port=taken.getsockname()[1])
        assert "choose another --port" in running.end()[1]


def test_what_a_kill_left_of_a_line_is_told(tmp_path):
    workspace(tmp_path, 1)
    path = tmp_path / "reviews/triplets/ann.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"review_key": "')
    with served(tmp_path, "--reviewer", "Ann") as running:
        assert running.address
        assert "16 bytes of a line that was never saved are taken away" in running.end()[1]
    assert path.read_text() == ""


def run(*words):
    return command.main([*words, "--no-browser", "--port", "0"])


def test_without_a_name_and_without_a_terminal_it_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(workspace(tmp_path, 1))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run() == 1
    assert "error: who reviews? Say it with --reviewer NAME" in capsys.readouterr().err


def test_on_a_terminal_it_asks(monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "Ann" if "name" in question else "")
    assert command._ask_name() == "Ann"


def test_preferences_have_no_conflicts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(workspace(tmp_path, 1))
    assert run("preference", "--reviewer", "Ann", "--adjudicate") == 1
    assert "--adjudicate goes with triplets and semantic" in capsys.readouterr().err


def test_before_the_workflow_ran_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((workspace(tmp_path / "other", 1) / "params.yaml").read_text())
    assert run("--reviewer", "Ann") == 1
    assert "queue.parquet is missing" in capsys.readouterr().err


@pytest.mark.parametrize("start", [sur.main, app.main])
def test_both_ways_to_start_it_know_its_options(start, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sur", "review", "--port", "99999"])
    with pytest.raises(SystemExit) as ended:
        start()
    assert ended.value.code == 2
    assert "must be 0 to 65535, got 99999" in capsys.readouterr().err


def test_other_commands_go_on_to_the_app(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sur", "--help"])
    with pytest.raises(SystemExit):
        sur.main()
    assert "review" in capsys.readouterr().out


def test_the_app_runs_it(monkeypatch):
    asked = []
    monkeypatch.setattr(command, "run", asked.append)
    with pytest.raises(SystemExit) as ended:
        app.main(["review", "semantic", "--reviewer", "Ann"])
    assert ended.value.code == 0
    assert (asked[0].task, asked[0].reviewer, asked[0].host) == ("semantic", "Ann", "127.0.0.1")


class Ended:
    """A server that ends at once, as after Ctrl+C."""

    def __init__(self, *_, **options):
        self.options = options

    def run(self):
        self.options["sockets"][0].close()

    def close(self):
        pass


@pytest.mark.parametrize("words", [[], ["--host", "::1"]])
def test_it_opens_the_browser_on_the_printed_address(tmp_path, monkeypatch, capsys, words):
    import waitress.server

    opened = []
    monkeypatch.chdir(workspace(tmp_path, 3))
    monkeypatch.setattr(waitress.server, "create_server", Ended)
    monkeypatch.setattr(command.webbrowser, "open", opened.append)
    assert command.main(["--reviewer", "Ann", "--port", "0", *words]) == 0
    printed = capsys.readouterr().out.strip()
    assert opened == [printed]
    assert printed.startswith("http://[::1]:" if words else "http://127.0.0.1:")


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """A workspace in which the server ends as soon as it runs."""
    import waitress.server

    monkeypatch.chdir(workspace(tmp_path, 3))
    monkeypatch.setattr(waitress.server, "create_server", Ended)
    return tmp_path / "reviews/triplets"


def test_what_it_says_before_the_address(ended, capsys):
    ended.mkdir(parents=True)
    (ended / "ann.jsonl").write_text('{"torn')
    assert run("--reviewer", "Ann", "--host", "0.0.0.0") == 0
    said = capsys.readouterr().err
    assert "6 bytes of a line that was never saved are taken away" in said
    assert "warning: whoever reaches 0.0.0.0" in said
    assert "0 answered, 3 to go" in said


def test_a_wrong_name_or_port_ends_in_one_line(ended, capsys):
    ended.mkdir(parents=True)
    (ended / "ann.jsonl").write_text('{"reviewer": "Ann"}\n7\n')
    assert run("--reviewer", "ann") == 1
    assert "holds verdicts of Ann, not of ann" in capsys.readouterr().err
    (ended / "ann.jsonl").unlink()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert command.main(["--reviewer", "Bob", "--no-browser", "--port", str(taken.getsockname()[1])]) == 1
    assert "choose another --port" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["semantic", "preference"])
def test_generated_pictures_come_from_the_sample(ended, capsys, task):
    assert run(task, "--reviewer", "Ann") == 0
    assert {"semantic": "18 to go", "preference": "6 to go"}[task] in capsys.readouterr().err

import subprocess
import sys

import pytest

from pipeline.errors import InputError
from pipeline.studies import commands
from pipeline.studies.commands import Answer, reason, require


def test_a_command_gives_its_words_and_its_end():
    answer = commands.run([sys.executable, "-c", "import sys; print('out'); sys.exit('err')"])
    assert answer == Answer(1, "out\n", "err\n")


def test_dvc_is_the_one_of_this_environment():
    assert commands.run(["dvc", "--version"]).out.split(".")[0] == "3"


def test_a_command_that_leaves_a_daemon_is_not_waited_for():
    left = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)"
    assert commands.run([sys.executable, "-c", f"{left}; print('started')"]).out == "started\n"


def test_a_command_finds_programs_and_work_store_of_this_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUR_WORK", "store")
    code = "import os; print(os.environ['SUR_WORK']); print(os.environ['PATH'])"
    store, path = commands.run([sys.executable, "-c", code]).out.splitlines()
    assert store == str(tmp_path / "store")
    assert path.startswith(sys.executable.rpartition("/")[0])


def test_an_interrupt_waits_for_the_end_of_the_command(monkeypatch):
    waited = []

    class Interrupted:
        def __init__(self, *_, **options):
            assert options["start_new_session"]

        def wait(self):
            waited.append(len(waited))
            if len(waited) == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        commands.run(["git", "status"])
    assert waited == [0, 1]


def test_a_failing_command_is_one_line():
    assert require(lambda _: Answer(0, "yes"), ["git", "x"], "git does x") == "yes"
    with pytest.raises(InputError, match=r"^git cannot: no such place$"):
        require(lambda _: Answer(128, "", "warning: odd\nfatal: no such   place\n"), ["git", "x"], "git cannot")


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("error: eta is wrong\nERROR: failed to run: python\n", "eta is wrong"),
        ("start\nERROR: failed to run: python\nmore\n", "failed to run: python"),
        ("start\nKilled\n\n", "Killed"),
        ("", "it said nothing"),
    ],
)
def test_the_reason_is_the_line_that_says_most(log, why):
    assert reason(log) == why

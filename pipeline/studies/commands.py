"""The commands that a study runs, git and DVC: in a session of their own, so that Ctrl-C cannot cut one in two."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from pipeline import work
from pipeline.errors import InputError

MARKS = ("error:", "fatal:")


@dataclass(frozen=True)
class Answer:
    """How a command ended and what it said."""

    code: int
    out: str = ""
    err: str = ""


Run = Callable[[Sequence[str]], Answer]


def run(command: Sequence[str]) -> Answer:
    """Run ``git ...`` or ``dvc ...`` in this folder.

    While DVC queues an experiment, uncommitted edits lie in a stash for a second: Ctrl-C waits for the command's end.
    What the command says goes through files: a pipe would stay open as long as the workers that DVC starts.
    """
    program = [sys.executable, "-m", "dvc"] if command[0] == "dvc" else [command[0]]
    with TemporaryFile() as out, TemporaryFile() as err:
        process = subprocess.Popen(
            [*program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=_environment(),
            start_new_session=True,
        )
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise
        return Answer(code, _said(out), _said(err))


def _said(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


def _environment() -> dict[str, str]:
    """Queued experiments find this environment's programs, and the work store from whatever folder they run in."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": programs, "SUR_WORK": str(work.root().resolve())}


def require(run: Run, command: Sequence[str], doing: str) -> str:
    """What the command wrote to standard output.

    Raises:
        InputError: it failed; one line says what was being done and why it failed.
    """
    answer = run(command)
    if answer.code:
        raise InputError(f"{doing}: {reason(answer.out + os.linesep + answer.err)}")
    return answer.out


def reason(text: str) -> str:
    """The one line of a log that says why: the last error in this project's words, else in others', else the last."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith(MARKS[0])]
    others = [line for line in lines if line.lower().startswith(MARKS)]
    if found := ours or others:
        return found[-1].split(":", 1)[1].strip()
    return lines[-1] if lines else "it said nothing"

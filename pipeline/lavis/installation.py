"""Where ``make lavis`` puts LAVIS and its old packages, and the process that sees them before the main ones."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO

import pipeline
from pipeline.errors import ModelError

NAME = ".lavis"


def folder() -> Path:
    """``$SUR_LAVIS``, else ``.lavis`` under ``$DVC_ROOT`` (queued experiments run elsewhere), else ``.lavis`` here."""
    if chosen := os.environ.get("SUR_LAVIS"):
        return Path(chosen).expanduser().absolute()
    return (Path(os.environ.get("DVC_ROOT", ".")) / NAME).absolute()


def require() -> Path:
    """The folder, if LAVIS is there.

    Raises:
        ModelError: it is not.
    """
    found = folder()
    if not (found / "lavis").is_dir():
        raise ModelError("blip.backend is lavis, but LAVIS is not installed: run make lavis")
    return found


def start(module: str, arguments: Sequence[str], errors: IO[bytes]) -> Popen[bytes]:
    """Run a module of ours in this Python, with LAVIS's packages put before the installed ones.

    Args:
        module: its dotted name.
        arguments: of its command line.
        errors: a file that takes what the process says on stderr.

    Raises:
        ModelError: LAVIS is not installed.
    """
    ours = Path(str(pipeline.__file__)).parent.parent
    path = os.pathsep.join(map(str, (require(), ours)))
    command = [sys.executable, "-P", "-m", module, *arguments]  # -P: the folder it runs in comes nowhere in the path
    return Popen(command, stdin=PIPE, stdout=PIPE, stderr=errors, env={**os.environ, "PYTHONPATH": path})

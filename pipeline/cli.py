"""What every command shares: ``--help`` from the module's docstring, one line for a user's mistake, progress bars."""

import argparse
import errno
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from tqdm import tqdm

from pipeline.errors import SurError

Item = TypeVar("Item")
GREATEST_SEED = 2**63 - 1  # torch takes twice as much: seeds after it are left for further pictures
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
WRITE_FAILED = ("No space left on device", "file write failed")  # in the words of safetensors and of torch


def run(
    main: Callable[..., None],
    doc: str | None,
    arguments: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> None:
    """Run ``main`` as a command and end the process with its exit code.

    Args:
        main: called with one string for each entry of ``arguments``, in their order, and a keyword for each flag.
        doc: the module's docstring, shown by ``--help``.
        arguments: name and help text of each positional argument.
        flags: name and help text of each switch, off unless given.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(arguments or {})
    for name in names:
        parser.add_argument(name, help=(arguments or {})[name])
    for name, text in (flags or {}).items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    parsed = parser.parse_args()
    given = {name: getattr(parsed, name) for name in flags or {}}
    raise SystemExit(guarded(lambda: main(*(getattr(parsed, name) for name in names), **given)))


def guarded(action: Callable[[], None]) -> int:
    """Run an action; turn a user's mistake, a full disk or an interrupt into one line each and an exit code."""
    try:
        action()
    except SurError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        say("interrupted: finished work is kept, run the same command again to go on")
        return 130
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        return _fail(f"the disk is full ({error.filename or 'while writing'}): free some space and run again")
    except Exception as error:  # libraries wrap the system's error in one of their own; all others go on
        if not any(text in str(error) for text in WRITE_FAILED):
            raise
        return _fail(
            f"the disk is full or cannot be written ({str(error).splitlines()[0]}): free some space, run again"
        )
    return 0


def _fail(message: str) -> int:
    for line in message.splitlines():
        say(f"error: {line}")
    return 1


def say(text: str) -> None:
    """One log line on standard error."""
    tqdm.write(text, file=sys.stderr)


def counting(total: int, label: str, *, unit: str = "row") -> "tqdm[None]":
    """A bar that is moved by hand, with rate and remaining time; silent where there is no terminal."""
    return tqdm(total=total, desc=label, unit=unit, disable=None, dynamic_ncols=True, file=sys.stderr)


def progress(items: Iterable[Item], label: str, *, total: int | None = None, unit: str = "it") -> "tqdm[Item]":
    """Iterate with a bar that shows rate and remaining time; silent where there is no terminal."""
    return tqdm(items, desc=label, total=total, unit=unit, disable=None, dynamic_ncols=True, file=sys.stderr)


def share(text: str) -> float:
    """An argument from 0 to 1."""
    number = float(text)
    if not 0.0 <= number <= 1.0:
        raise argparse.ArgumentTypeError(f"must be 0 to 1, got {text}")
    return number


def port(text: str) -> int:
    """An argument that is a port to listen on, 0 for a free one."""
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, got {text}")
    return int(text)


def seed(text: str) -> int:
    """An argument that random numbers begin with."""
    if not (text.isascii() and text.isdigit() and int(text) <= GREATEST_SEED):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {GREATEST_SEED}, got {text}")
    return int(text)


def count(text: str) -> int:
    """An argument of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {number}")
    return number

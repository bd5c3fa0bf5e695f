"""Who may write to a reviewer's file: one page or one import at a time."""

from pathlib import Path

from filelock import FileLock, Timeout

from pipeline import work
from pipeline.errors import InputError
from pipeline.files import digest


def folder() -> Path:
    """Where the lock files are: outside ``reviews``, where DVC would see them."""
    return work.root() / "review" / "locks"


def taken(path: Path, locks: Path) -> FileLock:
    """The lock of a reviewer's file, taken; whoever has it releases it.

    Args:
        path: the file, there or not.
        locks: folder of the lock files; it is made.

    Raises:
        InputError: a page or an import has it.
    """
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{digest(str(path.resolve()))}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(f"{path} is in use by another review page or import: close that one first") from error
    return lock

"""A reviewer's file: lines are appended, flushed and synced before anybody is told that they are saved."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipeline import answers
from pipeline.answers import Line
from pipeline.errors import StorageError
from pipeline.review import locking

LINE_END = b"\n"


class Journal:
    """``reviews/<task>/<reviewer>.jsonl``, opened anew for each append: git may replace the file at any time.

    Args:
        path: the file; it appears with the first line.
        locks: folder of lock files, outside ``reviews``, where DVC would see them.

    Raises:
        InputError: another page, or an import, has this file.
    """

    def __init__(self, path: Path, locks: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = locking.taken(path, locks)

    def close(self) -> None:
        """Let others have the file."""
        self._lock.release()

    def repair(self) -> int:
        """Take away what a kill or a full disk left of a line that nobody was told is saved; gives its bytes.

        A last line that is whole but lacks its end, as editors leave it, gets one.
        """
        if _ends_well(self.path):
            return 0
        content = self.path.read_bytes()
        torn = content[content.rfind(LINE_END) + 1 :]
        try:
            json.loads(torn)
        except ValueError:
            with self.path.open("rb+") as file:
                file.truncate(len(content) - len(torn))
                os.fsync(file.fileno())
            return len(torn)
        self._write(LINE_END)
        return 0

    def names(self) -> set[str]:
        """Whose lines are in the file; what is no line is left to those who read it in earnest."""
        found = set()
        for line in self.path.read_bytes().split(LINE_END) if self.path.is_file() else ():
            with suppress(ValueError, TypeError, KeyError):
                found.add(str(json.loads(line)["reviewer"]))
        return found

    def append(self, lines: Sequence[Line]) -> None:
        """Write lines; when this returns they are on the disk.

        Raises:
            StorageError: they are not, and nothing of them is in the file.
        """
        self.repair()
        self._write(b"".join(answers.encode(line) for line in lines))

    def _write(self, content: bytes) -> None:
        new = not self.path.exists()
        try:
            with self.path.open("ab", buffering=0) as file:
                before = os.fstat(file.fileno()).st_size
                try:
                    if file.write(content) != len(content):
                        raise OSError("only a part was written")
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(before)
                    raise
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror or error}") from error
        if new:
            _sync_folder(self.path.parent)


def _ends_well(path: Path) -> bool:
    if not path.is_file() or not path.stat().st_size:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == LINE_END


def _sync_folder(folder: Path) -> None:
    """Make a new file's name as durable as its content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

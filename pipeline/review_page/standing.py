"""What everybody has said so far, followed while files grow: only new lines are read."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline.answers import Line
from pipeline.errors import InputError
from pipeline.fault_words import told
from pipeline.review.verdicts import NOT_A_PERSON
from pipeline.review_page.journal import LINE_END
from pipeline.review_page.task import Said, Task, said

TAIL_BYTES = 200  # about a line, which names item, verdict and time


class Standing:
    """The lines of ``reviews/<task>`` that hold, for the items at hand.

    The rules are those of :func:`pipeline.answers.standing`, with lines in the order in which they are met. A file that
    grew is read from where it ended; one that became shorter or another makes all files be read again. Another is one
    whose bytes before that end changed: git writes a file anew under the inode that it had.

    Args:
        folder: ``reviews/<task>``.
        task: the items.
        reviewer: whose page this is.
        adjudicating: whether this reviewer decides conflicts: then ``mine`` are the reviewer's rulings.
    """

    def __init__(self, folder: Path, task: Task, reviewer: str, *, adjudicating: bool = False) -> None:
        self._folder, self._task, self._reviewer, self._adjudicating = folder, task, reviewer, adjudicating
        self._forget()

    def _forget(self) -> None:
        count = len(self._task.rows)
        self._read: dict[Path, tuple[int, bytes]] = {}  # where a file ended, and its last bytes
        self.mine: dict[int, Said] = {}
        """Row -> what the reviewer says, in the order in which it was said last."""
        self.others: dict[int, dict[str, Said]] = {}
        """Row -> reviewer -> what they say; when adjudicating, all reviewers, and else all but this one."""
        self.people: NDArray[np.uint8] = np.zeros(count, dtype=np.uint8)
        """How many persons of ``others`` say something, shape (n,)."""
        self.differing: NDArray[np.bool_] = np.zeros(count, dtype=bool)
        """Whether those persons differ, shape (n,)."""
        self.ruled: NDArray[np.bool_] = np.zeros(count, dtype=bool)
        """Whether somebody else decided the conflict, shape (n,)."""
        self.answered: NDArray[np.bool_] = np.zeros(count, dtype=bool)
        """Whether the reviewer has answered every question of the item, shape (n,)."""
        self._rulings: dict[int, set[str]] = {}
        self.seconds: list[float] = []
        """The reviewer's times for an item, in the order of the lines."""

    def refresh(self) -> None:
        """Read what was appended since.

        Raises:
            InputError: a line is broken; names file and line.
        """
        paths = sorted(self._folder.glob("*.jsonl"))
        if any(not _grew(path, known) for path, known in self._read.items()):
            self._forget()
        for path in paths:
            self._follow(path)

    def _follow(self, path: Path) -> None:
        start, tail = self._read.get(path, (0, b""))
        with path.open("rb") as file:
            found = file.seek(0, 2)
            if found == start:
                return
            file.seek(start)
            content = file.read(found - start)
        whole = content[: content.rfind(LINE_END) + 1]  # another page may be in the middle of a line
        for number, line in enumerate(whole.split(LINE_END), start=1):
            if line.strip():
                self._take(self._parse(line, path, start, number))
        self._read[path] = (start + len(whole), (tail + whole)[-TAIL_BYTES:])

    def _parse(self, line: bytes, path: Path, start: int, number: int) -> Line:
        try:
            return self._task.shape.model_validate_json(line)
        except ValidationError as error:
            raise InputError(f"{_place(path, start, number)}: {told(error)}; repair or remove the line") from error

    def _take(self, line: Any) -> None:
        row = self._task.rows.get(line.item)
        if row is None:
            return  # of another caption or picture: stale
        if line.reviewer == self._reviewer and line.adjudicated == self._adjudicating:
            self._note_mine(row, line)
        elif line.adjudicated:
            _mark(self._rulings.setdefault(row, set()), line)
            self.ruled[row] = bool(self._rulings[row])
        else:
            self._note_other(row, line)

    def _note_mine(self, row: int, line: Line) -> None:
        self.mine[row] = self._joined(row, self.mine.pop(row, None), line)
        if not self.mine[row].answers:
            del self.mine[row]
        asked = {question.name for question in self._task.questions(row)}
        self.answered[row] = row in self.mine and asked <= {name for name, _ in self.mine[row].answers}
        if line.seconds is not None and not line.retracted:
            self.seconds.append(line.seconds)

    def _note_other(self, row: int, line: Line) -> None:
        held = self.others.setdefault(row, {})
        held[line.reviewer] = self._joined(row, held.get(line.reviewer), line)
        if not held[line.reviewer].answers:
            del held[line.reviewer]
        persons = [words.answers for name, words in held.items() if not name.endswith(NOT_A_PERSON)]
        self.people[row], self.differing[row] = min(len(persons), 255), len(set(persons)) > 1

    def _joined(self, row: int, before: Said | None, line: Line) -> Said:
        if line.retracted:
            return said(())
        heard = self._task.heard(row, line)
        if not self._task.everyone or before is None:
            return heard
        return said(tuple(sorted({**dict(before.answers), **dict(heard.answers)}.items())), (), heard.note)


def _mark(names: set[str], line: Line) -> None:
    if line.retracted:
        names.discard(line.reviewer)
    else:
        names.add(line.reviewer)


def _grew(path: Path, known: tuple[int, bytes]) -> bool:
    end, tail = known
    try:
        with path.open("rb") as file:
            file.seek(end - len(tail))
            return file.read(len(tail)) == tail
    except FileNotFoundError:
        return False


def _place(path: Path, start: int, number: int) -> str:
    before = path.read_bytes()[:start].count(LINE_END)
    return f"{path}, line {before + number}"

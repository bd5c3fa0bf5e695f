"""Taking lines into ``reviews/<task>``: what is new is appended, what is there already stays as it is."""

import os
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import answers
from pipeline.answers import SHAPES, PreferenceAnswer, SemanticVerdict, Task
from pipeline.jsonl import read_folder
from pipeline.review.reading import AnyLine

Place = tuple[object, str, bool]


@dataclass
class Outcome:
    """What became of the answers of a file."""

    taken: dict[Path, int] = field(default_factory=dict)
    """File -> lines that were appended."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """Reason -> answers."""
    stale: int = 0
    """Of those taken: about a picture or prompts that are not there today; kept, and not applied by any stage."""


def take_in(
    lines: Iterable[AnyLine], folder: Path, task: Task, outcome: Outcome, today: Container[object] | None
) -> None:
    """Append what is new to the reviewers' files; all lines are read before the first is written.

    A line is known where the reviewer's standing answer says the same, or where the same line with the same time was
    appended before: so a file that comes in again changes nothing, whatever was said since. A line that is older than
    the standing one is passed over. Of several in one file on the same thing the latest counts.

    Args:
        lines: of the file.
        folder: ``reviews/<task>``.
        task: decides the shape of the lines.
        outcome: gets the counts.
        today: the items that can be judged today; None where that is not known.

    Raises:
        InputError: a line is wrong.
    """
    wanted = _latest(lines, outcome)
    history = list(read_folder(folder, SHAPES[task]))
    seen = {answers.encode(line) for line in history}
    standing: dict[Place, list[AnyLine]] = {}
    for held in answers.standing(history):  # type: ignore[type-var]  # one task's shape, which the type cannot say
        standing.setdefault(_place(held), []).append(held)
    files: dict[Path, list[bytes]] = {}
    for line in wanted:
        if reason := _known(line, standing.get(_place(line), []), seen):
            outcome.passed_over[reason] += 1
            continue
        files.setdefault(folder / answers.file_name(line.reviewer), []).append(answers.encode(line))
        outcome.stale += today is not None and line.item not in today
    for path, content in files.items():
        append(path, content)
        outcome.taken[path] = len(content)


def _latest(lines: Iterable[AnyLine], outcome: Outcome) -> list[AnyLine]:
    found: dict[Place, AnyLine] = {}
    for line in lines:
        other = found.get(_place(line))
        if other is not None:
            outcome.passed_over["said again in the file"] += 1
            if other.at is not None and line.at is not None and line.at < other.at:
                continue
        found[_place(line)] = line
    return list(found.values())


def _place(line: AnyLine) -> Place:
    return line.item, line.reviewer, line.adjudicated


def _known(line: AnyLine, held: list[AnyLine], seen: Container[bytes]) -> str | None:
    """Why the line is not new, or None."""
    said = {part for other in held for part in _said(other)}
    if not held if line.retracted else _said(line) <= said:
        return "already known"
    if line.at is not None and answers.encode(line) in seen:
        return "already known"
    if line.at is not None and any(other.at is not None and other.at > line.at for other in held):
        return "older than what is there"
    return None


def _said(line: AnyLine) -> set[object]:
    """What the answer comes to, whatever time it took."""
    match line:
        case PreferenceAnswer():
            return {*line.choices().items(), line.note}
        case SemanticVerdict():
            return {(line.verdict, tuple(sorted(line.answers.items())), line.note)}
    return {(line.verdict, line.reasons, line.note)}


def append(path: Path, lines: Iterable[bytes]) -> None:
    """Add whole lines to a file and see them on the disk; one that a crash cut off before stays a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        stream.write(b"".join(lines))
        stream.flush()
        os.fsync(stream.fileno())

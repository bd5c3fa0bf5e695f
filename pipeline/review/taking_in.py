"""Taking lines into ``reviews/<task>``: what is new is appended, what is there already stays as it is."""

import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

from pipeline import answers
from pipeline.answers import SHAPES, PreferenceAnswer, SemanticVerdict, Task, TripletVerdict
from pipeline.jsonl import read_folder
from pipeline.review import locking
from pipeline.review.reading import AnyLine

Place = tuple[object, str, bool]
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass
class Outcome:
    """What became of the answers of a file."""

    taken: dict[Path, int] = field(default_factory=dict)
    """File -> lines that were appended."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """Reason -> answers."""
    replaced: int = 0
    """Of those taken: without a time and over another answer, of which nobody can say whether it was newer."""
    stale: int = 0
    """Of those taken: about a picture or prompts that are not there today; kept, and not applied by any stage."""


def take_in(
    lines: Iterable[AnyLine], folder: Path, task: Task, outcome: Outcome, today: Container[object] | None
) -> None:
    """Append what is new to the reviewers' files; all lines are read before the first is written.

    A line is known where the reviewer's standing answer says the same, or where the same line with the same time was
    appended before: so a file with times that comes in again changes nothing, whatever was said since. What is older
    than the standing answer is passed over; a line without a time holds over what stands, which is counted. Of several
    in one file on the same thing the latest counts. Each question about a pair is a thing of its own; what takes an
    answer back stays before what was said after it.

    Args:
        lines: of the file.
        folder: ``reviews/<task>``.
        task: decides the shape of the lines.
        outcome: gets the counts.
        today: the items that can be judged today; None where that is not known.

    Raises:
        InputError: a line is wrong, or a page or another import has one of the files.
    """
    wanted = {place: _holding(said, outcome) for place, said in _by_place(lines).items()}
    paths = {folder / answers.file_name(reviewer) for _, reviewer, _ in wanted}
    with ExitStack() as held:
        for path in sorted(paths):
            held.callback(locking.taken(path, locking.folder()).release)
        _take(wanted, folder, task, outcome, today)


def _take(
    wanted: Mapping[Place, list[AnyLine]], folder: Path, task: Task, outcome: Outcome, today: Container[object] | None
) -> None:
    history = list(read_folder(folder, SHAPES[task]))
    seen = {mark for line in history if line.at is not None for mark in _marks(line)}
    standing = _by_place(_standing(history))
    files: dict[Path, list[bytes]] = {}
    for place, said in wanted.items():
        for line in _new(said, standing.get(place, []), seen, outcome):
            files.setdefault(folder / answers.file_name(line.reviewer), []).append(answers.encode(line))
            outcome.stale += today is not None and line.item not in today
    for path, content in files.items():
        append(path, content)
        outcome.taken[path] = len(content)


def _by_place(lines: Iterable[AnyLine]) -> dict[Place, list[AnyLine]]:
    found: dict[Place, list[AnyLine]] = {}
    for line in lines:
        found.setdefault((line.item, line.reviewer, line.adjudicated), []).append(line)
    return found


def _standing(lines: Iterable[AnyLine]) -> list[AnyLine]:
    return answers.standing(lines)  # type: ignore[type-var]  # one task's shape, which the type cannot say


def _holding(lines: Sequence[AnyLine], outcome: Outcome) -> list[AnyLine]:
    """Of a file's lines on one item those that hold, by their time, where they have one, and else in their order."""
    found: list[AnyLine] = []
    for line in _by_time(lines):
        rests = (_rest(other, line) for other in found)
        found = [*(rest for rest in rests if rest is not None), line]
    if said_again := len(lines) - len(found):
        outcome.passed_over["said again in the file"] += said_again
    return found


def _by_time(lines: Sequence[AnyLine]) -> list[AnyLine]:
    """A line without a time stays behind the one that it follows."""
    times = list(accumulate((line.at for line in lines), lambda before, at: at or before, initial=BEFORE_ALL))[1:]
    order = sorted(range(len(lines)), key=lambda place: times[place] or BEFORE_ALL)
    return [lines[place] for place in order]


def _rest(line: AnyLine, later: AnyLine) -> AnyLine | None:
    """What still holds of a line once the later one was said."""
    if later.retracted or not isinstance(line, PreferenceAnswer) or not isinstance(later, PreferenceAnswer):
        return None
    return line if line.retracted else _without(line, later.choices().keys())


def _without(line: PreferenceAnswer, questions: Set[str]) -> PreferenceAnswer | None:
    if not questions & line.choices().keys():
        return line
    left = {question: side for question, side in line.answers.items() if question not in questions}
    return line.model_copy(update={"answers": left}) if left else None


def _new(lines: Sequence[AnyLine], held: list[AnyLine], seen: Set[object], outcome: Outcome) -> Iterator[AnyLine]:
    """Of a file's lines on one item what changes the standing answers, in their order."""
    if _said(_standing([*held, *lines])) == _said(held):
        outcome.passed_over["already known"] += len(lines)
        return
    for line in lines:
        part = _not_older(line, held)
        if line.at is not None and _marks(line) <= seen:
            outcome.passed_over["already known"] += 1
        elif part is None:
            outcome.passed_over["older than what is there"] += 1
        elif _said(_standing([*held, part])) == _said(held):
            outcome.passed_over["already known"] += 1
        else:
            before, held = held, _standing([*held, part])
            outcome.replaced += part.at is None and not _said(before) <= _said(held)
            yield part


def _not_older(line: AnyLine, held: Iterable[AnyLine]) -> AnyLine | None:
    """The line without the questions that have a newer answer; None where nothing is left of it."""
    newer = [other for other in held if line.at is not None and other.at is not None and other.at > line.at]
    if not newer or not isinstance(line, PreferenceAnswer) or line.retracted:
        return None if newer else line
    return _without(line, {other.question for other in newer if isinstance(other, PreferenceAnswer)})


def _marks(line: AnyLine) -> set[object]:
    """By what a line with a time is known again, of each question its own."""
    return {(line.item, line.reviewer, line.adjudicated, line.at, said) for said in _said([line]) or {None}}


def _said(lines: Iterable[AnyLine]) -> set[object]:
    """What standing answers on one item come to, whatever time they took."""
    found: set[object] = set()
    for line in lines:
        match line:
            case PreferenceAnswer():
                found |= {(question, choice, line.note) for question, choice in line.choices().items()}
            case SemanticVerdict():
                found.add((line.verdict, tuple(sorted(line.answers.items())), line.note))
            case TripletVerdict():
                found.add((line.verdict, line.reasons, line.note))
    return found


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

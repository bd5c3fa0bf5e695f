"""Answers of a file as lines of ``reviews/<task>``: each checked, a wrong one told with file, row and column."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import fault_words
from pipeline.answers import SHAPES, SKILLS, PreferenceAnswer, SemanticVerdict, Task, TripletVerdict
from pipeline.errors import InputError
from pipeline.review import foreign, studies
from pipeline.review.answer_rows import Row
from pipeline.review.forms import TIE
from pipeline.review.studies import Key, Pair, Picture

AnyLine = TripletVerdict | SemanticVerdict | PreferenceAnswer
NO_CONFLICTS = "preferences have no conflicts to decide"
Named = Callable[[Row], str]


@dataclass(frozen=True)
class Source:
    """A file with answers and how it is to be read."""

    path: Path
    task: Task
    names: Mapping[str, str]
    """A reviewer or annotator as the file names them -> their name in ``reviews``; ``""`` names all that are left."""
    adjudicated: bool
    keys: Path
    """Folder of the studies' keys."""
    renamed: set[str | None] = field(default_factory=set)
    """Reviewers of the file whose answers got the one name that was given."""


def read(source: Source, passed_over: Counter[str]) -> Iterator[AnyLine]:
    """The file's answers as lines of our own, in its order.

    Args:
        source: the file.
        passed_over: gets the number of answers that were skipped, are empty or not complete, by reason.

    Raises:
        InputError: an answer is wrong; one line with file, row and column.
    """
    known: dict[str, Key] = {}
    for row in foreign.read(source.path):
        if row.skipped:
            passed_over["skipped"] += 1
            continue
        fields = _own(source, row) if row.line is not None else _fields(source, row, known)
        if fields is None:
            passed_over["without an answer"] += 1
        elif fields.pop("incomplete", False):
            passed_over["incomplete"] += 1
        else:
            yield _line(source, row, fields)


def _own(source: Source, row: Row) -> dict[str, Any]:
    try:
        fields = json.loads(row.line or b"")
    except ValueError as error:
        raise _wrong(source, row, f"no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise _wrong(source, row, "no JSON object")
    reviewer = fields.get("reviewer")
    fields["reviewer"] = _name(source, row, reviewer if isinstance(reviewer, str) else None)
    return {**fields, "adjudicated": True} if source.adjudicated else fields


def _fields(source: Source, row: Row, known: dict[str, Key]) -> dict[str, Any] | None:
    """What the line says; None where nothing was answered."""
    match source.task:
        case "triplets":
            said = _triplet(source, row)
        case "semantic":
            said = _semantic(source, row, known)
        case "preference":
            said = _preference(source, row, known)
    if said is None or said.get("incomplete"):
        return said
    more = {"seconds": row.seconds, "at": row.at, "note": "\n".join(_list(row, "note"))}
    return {**said, **more, "reviewer": _name(source, row, row.reviewer), "adjudicated": source.adjudicated}


def _triplet(source: Source, row: Row) -> dict[str, Any] | None:
    verdict = _one(source, row, "verdict")
    if verdict is None:
        return None
    reasons = [word.strip() for cell in _list(row, "reasons") for word in cell.replace(";", ",").split(",")]
    key = _one(source, row, "review_key")
    return {"review_key": key, "verdict": verdict, "reasons": [reason for reason in reasons if reason]}


def _semantic(source: Source, row: Row, known: dict[str, Key]) -> dict[str, Any] | None:
    answers = {skill: said for skill in SKILLS if (said := _one(source, row, skill))}
    whole = _one(source, row, "verdict")
    if not (answers or whole):
        return None
    if (item := _one(source, row, "item")) is None:
        about = {name: _one(source, row, name) for name in ("sample_id", "sha256")}
        return {**about, "verdict": whole} if whole else {**about, "answers": answers}
    picture = _entry(source, row, item, known)
    if not isinstance(picture, Picture):
        raise _wrong(source, row, f"column item: {item} belongs to a preference study: use --task preference")
    about = {"sample_id": picture.sample_id, "sha256": picture.sha256}
    if whole:
        return {**about, "verdict": whole}
    asked = {skill: answers[skill] for skill in picture.asked if skill in answers}
    return {**about, "answers": asked, "incomplete": len(asked) < len(picture.asked)}


def _preference(source: Source, row: Row, known: dict[str, Key]) -> dict[str, Any] | None:
    item = _one(source, row, "item")
    if item is None:
        raise _wrong(source, row, "column item is missing")
    pair = _entry(source, row, item, known)
    if not isinstance(pair, Pair):
        raise _wrong(source, row, f"column item: {item} belongs to a semantic study: use --task semantic")
    answers = {}
    for question in known[item.split("-")[0]].questions:
        if said := _one(source, row, question + TIE) or _one(source, row, question):
            answers[question] = said
    if not answers:
        return None
    about = {name: getattr(pair, name) for name in ("prompt_id", "index", "sha256_base", "sha256_adapted", "left")}
    return {**about, "answers": answers}


def _entry(source: Source, row: Row, item: str, known: dict[str, Key]) -> Picture | Pair:
    study = item.split("-", maxsplit=1)[0]
    if study not in known:
        if not (study.isalnum() and (source.keys / f"{study}.json").is_file()):
            raise _wrong(source, row, f"column item: no study {study!r} in {source.keys}, where the export put its key")
        known[study] = studies.load(study, source.keys)
    entry = known[study].items.get(item)
    if entry is None:
        raise _wrong(source, row, f"column item: the study has no item {item!r}")
    return entry


def _list(row: Row, name: str) -> list[str]:
    value = row.fields.get(name)
    match value:
        case None | "":
            return []
        case list():
            return [str(item) for item in value]
    return [str(value)]


def _one(source: Source, row: Row, name: str) -> str | None:
    found: Sequence[str] = _list(row, name)
    if len(found) > 1:
        raise _wrong(source, row, f"column {name}: one answer is expected, got {', '.join(found)}")
    return found[0].strip() or None if found else None


def _name(source: Source, row: Row, found: str | None) -> str:
    """The reviewer's name in ``reviews``; Label Studio's annotators are numbers, of which a name is made."""
    if found and found in source.names:
        return source.names[found]
    if "" in source.names:
        source.renamed.add(found)
        if len(source.renamed) > 1:
            several = ", ".join(sorted(str(name) for name in source.renamed))
            raise _wrong(
                source, row, f"the file has several reviewers ({several}): name each by --reviewer {found}=NAME"
            )
        return source.names[""]
    if not found:
        raise _wrong(source, row, "column reviewer is missing: name the reviewer by --reviewer NAME")
    return f"label-studio-{found}" if found.isdigit() else found


def _line(source: Source, row: Row, fields: Mapping[str, Any]) -> AnyLine:
    line = _checked(source, row, fields)
    if line.adjudicated and isinstance(line, PreferenceAnswer):  # it would count beside what the same person said
        raise _wrong(source, row, f"column adjudicated: {NO_CONFLICTS}")
    return line


def _checked(source: Source, row: Row, fields: Mapping[str, Any]) -> AnyLine:
    try:
        given = {name: value for name, value in fields.items() if value is not None}
        return SHAPES[source.task].model_validate_json(json.dumps(given))
    except ValidationError as error:
        fault = fault_words.told(error, what="column").replace("column answers.", "column ", 1)
        raise _wrong(source, row, fault) from error


def _wrong(source: Source, row: Row, told: str) -> InputError:
    return InputError(f"{source.path}, {row.place}, {told}; nothing of the file was taken in")

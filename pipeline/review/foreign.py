"""Files in which answers come back: Label Studio's JSON, JSON-MIN, CSV and TSV exports, plain CSV, our lines, our page.

Which it is shows in the file. Each answer becomes a :class:`Row`: the names of fields with what was said, in lists.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

PAGE_FORMAT = "sur-preference-answers/1"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Row:
    """One answer as it stands in a file."""

    place: str
    """Where, for a message: ``line 3`` or ``task 7, annotation 9``."""
    fields: Mapping[str, Any]
    """Of the task and of the answer; a list where the form could give several values."""
    reviewer: str | None = None
    """Who, as the file names them."""
    seconds: float | None = None
    at: str | None = None
    skipped: bool = False
    """The reviewer passed it over."""
    line: bytes | None = None
    """Set where the file holds lines of our own."""


def read(path: Path) -> Iterator[Row]:
    """The answers of a file, in its order.

    Raises:
        InputError: it is missing, a folder, empty, no UTF-8, or of no form that is known; says what is known.
    """
    try:
        yield from _rows(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder: name the file with the answers") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}; save it as CSV UTF-8 or JSON") from error


def _rows(path: Path) -> Iterator[Row]:
    match _first_sign(path):
        case "[":
            yield from _tasks(path)
        case "{":
            yield from _lines(path)
        case _:
            yield from _csv(path)


def _first_sign(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as stream:
        text = stream.read(4096).lstrip()
    if not text:
        raise InputError(f"{path} is empty")
    return text[0]


def _tasks(path: Path) -> Iterator[Row]:
    for number, task in enumerate(_elements(path), start=1):
        match task:
            case {"annotations": list(annotations), "data": dict(data)}:
                for annotation in annotations:
                    yield _annotation(path, task.get("id", number), data, annotation)
            case {"annotation_id": _, "annotator": _}:
                yield from _flat(path, f"task {task.get('id', number)}, annotation {task['annotation_id']}", task)
            case _:
                raise InputError(
                    f"{path}, task {number}: has neither annotations nor annotation_id: export the project from Label "
                    "Studio as JSON, JSON-MIN or CSV"
                )


def _elements(path: Path) -> Iterator[Any]:
    """The elements of a JSON list; the file is never in memory whole."""
    decoder, text, start, number = json.JSONDecoder(), "", 0, 1
    with path.open(encoding="utf-8-sig") as stream:
        text = stream.read(CHUNK).lstrip()[1:]
        while True:
            start = _after_space(text, start)
            try:
                if text[start : start + 1] == "]":
                    return
                value, start = decoder.raw_decode(text, start)
            except json.JSONDecodeError as error:
                more = stream.read(CHUNK)
                if not more:
                    raise InputError(f"{path}, task {number}: cut off or no JSON: {error.msg}") from error
                text, start = text[start:] + more, 0
                continue
            yield value
            number += 1


def _after_space(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n,":
        start += 1
    return start


def _annotation(path: Path, task: Any, data: Mapping[str, Any], annotation: Any) -> Row:
    place = f"task {task}, annotation {annotation.get('id') if isinstance(annotation, dict) else '?'}"
    match annotation:
        case {"result": list(regions), "completed_by": who}:
            said = dict(part for region in regions for part in _region(path, place, region))
        case _:
            raise InputError(f"{path}, {place}: has no result or completed_by: export the project again")
    if isinstance(who, dict):
        who = who.get("email") or who.get("username") or who.get("id")
    return Row(
        place,
        {**data, **said},
        None if who is None else str(who),
        annotation.get("lead_time"),
        annotation.get("updated_at"),
        bool(annotation.get("was_cancelled")),
    )


def _region(path: Path, place: str, region: Any) -> Iterator[tuple[str, list[str]]]:
    """The tag's name and what it says; nothing of a region that belongs to no tag, as relations do not."""
    match region:
        case {"from_name": str(name), "value": dict(value)}:
            yield name, _values(value)
        case dict() if "from_name" not in region:
            return
        case _:
            told = json.dumps(region, ensure_ascii=False)[:80]
            raise InputError(f"{path}, {place}: a region of result has no value: {told}: export the project again")


def _values(value: Mapping[str, Any]) -> list[str]:
    """What one region says: Choices, TextArea or Pairwise."""
    for name in ("choices", "text", "selected"):
        if name in value:
            found = value[name]
            return [str(item) for item in found] if isinstance(found, list) else [str(found)]
    return []


def _flat(path: Path, place: str, record: Mapping[str, Any]) -> Iterator[Row]:
    """A row of JSON-MIN or CSV; tasks without an annotation have empty columns."""
    if record["annotation_id"] in (None, ""):
        return
    yield Row(
        place,
        {name: _unpacked(value) for name, value in record.items()},
        str(record["annotator"]),
        _number(path, place, record, "lead_time"),
        record.get("updated_at") or None,
    )


def _number(path: Path, place: str, record: Mapping[str, Any], column: str) -> float | None:
    given = record.get(column)
    try:
        return None if given in (None, "") else float(given)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}, {place}, column {column}: {error}") from error


def _unpacked(value: Any) -> Any:
    """A single choice is a string, several are ``{"choices": [...]}``, a side is ``[{"selected": ...}]``; CSV has
    the latter two as JSON in a cell."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            decoded = json.loads(value)
        except json.JSONDecodeError:
            return value
        return _unpacked(decoded) if _is_packed(decoded) else value
    if isinstance(value, dict) and _is_packed(value):
        return _values(value)
    if isinstance(value, list) and _is_packed(value):
        return [str(value[0]["selected"])]
    return value


def _is_packed(value: Any) -> bool:
    match value:
        case {"choices": list()} | {"text": list()}:
            return len(value) == 1
        case [{"selected": str()}]:
            return True
    return False


def _lines(path: Path) -> Iterator[Row]:
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        whole = json.loads(content)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and "format" in whole:
        yield from _page(path, whole)
        return
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield Row(f"line {number}", {}, line=line)


def _page(path: Path, found: Mapping[str, Any]) -> Iterator[Row]:
    match found:
        case {"format": format, "reviewer": str(reviewer), "answers": list(answers)} if format == PAGE_FORMAT:
            for number, answer in enumerate(answers, start=1):
                if not isinstance(answer, dict):
                    raise InputError(f"{path}, answer {number}: is no object: take the file as the page saved it")
                yield Row(f"answer {number}", answer, reviewer, answer.get("seconds"), answer.get("at"))
        case _:
            raise InputError(f"{path} is not a file of answers of the format {PAGE_FORMAT}, or it was changed")


def _csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header = stream.readline()
        stream.seek(0)
        rows = csv.reader(stream, delimiter=max(",;\t", key=header.count), strict=True)
        try:
            names = [name.strip() for name in next(rows)]
            _known_header(path, names)
            for cells in rows:
                if any(cells):
                    yield from _csv_row(path, rows.line_num, names, cells)
        except csv.Error as error:
            raise InputError(f"{path}, line {rows.line_num + 1}: no CSV: {error}") from error


def _known_header(path: Path, names: list[str]) -> None:
    if not {"review_key", "item", "sample_id"} & {*names} or len(names) < 2:
        raise InputError(
            f"{path}, line 1: has no column review_key or item, only {', '.join(names)[:80]}: it is neither an export "
            "of our tasks nor tasks.csv with answers"
        )


def _csv_row(path: Path, line: int, names: list[str], cells: list[str]) -> Iterator[Row]:
    if len(cells) != len(names):
        raise InputError(f"{path}, line {line}: has {len(cells)} cells where the header has {len(names)}")
    record = dict(zip(names, cells, strict=True))
    if "annotation_id" in record and "annotator" in record:
        yield from _flat(path, f"line {line}", record)
        return
    taken = _number(path, f"line {line}", record, "seconds")
    fields = {name: _unpacked(cell.strip()) for name, cell in record.items()}
    yield Row(f"line {line}", fields, record.get("reviewer", "").strip() or None, taken, record.get("at") or None)

"""Label Studio's exports as answers: JSON with its tasks and regions, and the flat rows of JSON-MIN and CSV."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.review.answer_rows import Row, read_number

CHUNK = 1 << 20


def tasks(path: Path) -> Iterator[Row]:
    """The annotations of a JSON or JSON-MIN export, task by task; the file is never in memory whole.

    Raises:
        InputError: it is cut off, or a task has no annotation in a form that is known; names the task.
    """
    for number, task in enumerate(_elements(path), start=1):
        match task:
            case {"annotations": list(annotations), "data": dict(data)}:
                for annotation in annotations:
                    yield _annotation(path, task.get("id", number), data, annotation)
            case {"annotation_id": _, "annotator": _}:
                yield from flat(path, f"task {task.get('id', number)}, annotation {task['annotation_id']}", task)
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


def flat(path: Path, place: str, record: Mapping[str, Any]) -> Iterator[Row]:
    """A row of JSON-MIN or CSV; tasks without an annotation have empty columns.

    Args:
        path: the file.
        place: where in it, for messages.
        record: the row by its columns.
    """
    if record["annotation_id"] in (None, ""):
        return
    yield Row(
        place,
        {name: unpacked(value) for name, value in record.items()},
        str(record["annotator"]),
        read_number(path, place, record, "lead_time"),
        record.get("updated_at") or None,
    )


def unpacked(value: Any) -> Any:
    """A single choice is a string, several are ``{"choices": [...]}``, a side is ``[{"selected": ...}]``; CSV has
    the latter two as JSON in a cell."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            decoded = json.loads(value)
        except json.JSONDecodeError:
            return value
        return unpacked(decoded) if _is_packed(decoded) else value
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

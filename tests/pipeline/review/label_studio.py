"""Files as Label Studio 1.23.2 writes them, for tests: its annotations, and its JSON, JSON-MIN, CSV and TSV exports.

Taken from exports of a server of that version: a single choice is a string, several are ``{"choices": [...]}``, a side
is ``[{"selected": ...}]``, several texts are ``{"text": [...]}``, and CSV has those as JSON in a cell; a task whose key
has a tag's name loses it; annotations that were passed over are in JSON alone.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

Said = Mapping[str, Any]


def choices(name: str, *values: str, to: str = "img") -> dict[str, Any]:
    return {"from_name": name, "to_name": to, "type": "choices", "value": {"choices": list(values)}}


def note(*texts: str, to: str = "img") -> dict[str, Any]:
    return {"from_name": "note", "to_name": to, "type": "textarea", "value": {"text": list(texts)}}


def pairwise(name: str, side: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": ["imgA", "imgB"], "type": "pairwise", "value": {"selected": side}}


def annotation(number: int, result: Sequence[Said], *, who: Any = 1, skipped: bool = False, second: int = 0) -> Said:
    time = f"2026-11-21T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.421359Z"
    said = {"id": number, "completed_by": who, "result": list(result), "was_cancelled": skipped, "ground_truth": False}
    return {**said, "created_at": time, "updated_at": time, "lead_time": 3.25, "unique_id": f"u-{number}"}


def exported(tasks: Sequence[Said], annotations: Mapping[int, Sequence[Said]]) -> list[dict[str, Any]]:
    """Tasks in the import format with the annotations of some places, as the JSON export has them."""
    return [
        {
            "id": number,
            "annotations": list(annotations.get(place, ())),
            "drafts": [],
            "predictions": [],
            "data": task["data"],
            "meta": task.get("meta", {}),
            "inner_id": number,
        }
        for place, (number, task) in enumerate(enumerate(tasks, start=7))
    ]


def as_json(found: Sequence[Said]) -> str:
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).replace("/", "\\/")


def _flat(found: Sequence[Said]) -> list[dict[str, Any]]:
    rows = []
    for task in found:
        counted = [one for one in task["annotations"] if not one["was_cancelled"]]
        for one in counted or ([None] if not task["annotations"] else []):
            about = {name: one[name] if one else None for name in ("created_at", "updated_at", "lead_time")}
            who = {"annotator": one["completed_by"] if one else None, "annotation_id": one["id"] if one else None}
            said = {region["from_name"]: _short(region["value"]) for region in (one["result"] if one else ())}
            rows.append({**task["data"], "id": task["id"], **said, **who, **about})
    return rows


def _short(value: Said) -> Any:
    match value:
        case {"choices": [one]} | {"text": [one]}:
            return one
        case {"selected": _}:
            return [dict(value)]
    return dict(value)


def as_json_min(found: Sequence[Said]) -> str:
    return json.dumps(_flat(found), indent=2, ensure_ascii=False).replace("/", "\\/")


def as_csv(found: Sequence[Said], delimiter: str = ",") -> str:
    rows = _flat(found)
    stream = io.StringIO()
    columns = sorted({name for row in rows for name in row})
    writer = csv.DictWriter(stream, columns, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict | list) else value

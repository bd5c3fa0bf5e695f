"""Values of imported rows as records can hold them: ids, ratings, times, names of files and whole rows."""

import hashlib
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pipeline.sources.record import MAX_ID, PG, UNRATED, R, Unusable, as_id, as_int, as_text, capped, without_surrogates

AMBIGUOUS = ("--", "-/", "/-")  # beside these a slash that is written as -- could not be told from hyphens


def row_id(told: Mapping[str, Any], otherwise: str) -> str:
    """The id that a row tells by the field ``id``, or another where it tells none.

    Raises:
        Unusable: what it tells is no id (``malformed``).
    """
    return otherwise if told.get("id") is None else as_id(told["id"])


def id_of(path: str) -> str:
    """A file's id: its path with ``--`` for slashes where that is an id of no other path, else half of its SHA-256."""
    try:
        if any(signs in path for signs in AMBIGUOUS):
            raise Unusable("malformed")
        return as_id(path.replace("/", "--"))
    except Unusable:
        return hashlib.sha256(path.encode()).hexdigest()[:32]


def printable(text: str) -> str:
    """Text as a table can hold it: bytes of a file's name that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()[:MAX_ID]


def as_rating(value: object) -> int:
    """A row's rating as the mask of RECORDS: a number of that mask, or yes and no; beyond the scale is the top."""
    if isinstance(value, bool):
        return R if value else PG
    level = as_int(value)
    if level is None or level <= 0:
        return UNRATED
    return capped(level)


def as_time(value: object) -> str | None:
    """ISO 8601 of a date or time; text stays as it is."""
    return value.isoformat() if isinstance(value, date | datetime) else as_text(value)


def plain_values(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON can hold it: bytes are left out, dates become text, numbers that are none become null."""
    return {str(key): _plain_value(value) for key, value in row.items() if not isinstance(value, bytes)}


def _plain_value(value: Any) -> Any:
    match value:
        case Mapping():
            return plain_values(value)
        case list() | tuple():
            return [_plain_value(item) for item in value if not isinstance(item, bytes)]
        case float():
            return value if math.isfinite(value) else None
        case str():
            return without_surrogates(value)
        case None | bool() | int():
            return value
    return as_time(value) or str(value)

"""One answer as it stands in a file that came back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError


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


def read_number(path: Path, place: str, record: Mapping[str, Any], column: str) -> float | None:
    """A column's number; None where it is empty.

    Raises:
        InputError: it holds something else; names file, place and column.
    """
    given = record.get(column)
    try:
        return None if given in (None, "") else float(given)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}, {place}, column {column}: {error}") from error

"""What the page knows of a task: its items, what is shown of them, and the lines that answers become."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline import answers
from pipeline.answers import Line

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Said:
    """What one reviewer says of one item."""

    answers: tuple[tuple[str, str], ...]
    """Question and choice."""
    reasons: tuple[str, ...] = ()
    note: str = ""


@lru_cache(maxsize=4096)
def said(chosen: tuple[tuple[str, str], ...], reasons: tuple[str, ...] = (), note: str = "") -> Said:
    """As the class; equal ones are one object, since most of a hundred thousand say no more than keep."""
    return Said(chosen, reasons, note)


@dataclass(frozen=True)
class Place:
    """Where a picture is: the shard's file name and the picture's key in it; and what its bytes must be."""

    part: str
    sample_id: str
    sha256: str
    """Which a line about the picture names or follows from."""


@dataclass(frozen=True)
class Question:
    """What is asked of an item, and what may be answered."""

    name: str
    text: str
    choices: Sequence[str]


@dataclass(frozen=True)
class Columns:
    """What queues are made of, one entry an item each."""

    filters: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Name of a filter -> which items pass."""
    orders: Mapping[str, Rows] = field(default_factory=dict)
    """Name of an order -> the rows in it."""


class Task(Protocol):
    """One of the three tasks, with its items."""

    name: answers.Task
    shape: type[Line]
    rows: Mapping[Hashable, int]
    """What a line judges (its ``item``) -> row."""
    columns: Columns
    everyone: bool
    """Whether every reviewer is asked about every item, and not as many as are needed."""

    @property
    def keys(self) -> Iterable[str]:
        """What each row's draws follow from; the arms of one prompt differ in it."""
        ...

    def facts(self, row: int) -> dict[str, Any]:
        """What the page shows of a row, ready for JSON: texts, alternative texts, questions; nothing that unblinds."""
        ...

    def questions(self, row: int) -> Sequence[Question]:
        """What is asked of a row."""
        ...

    def places(self, row: int) -> Sequence[Place]:
        """The row's pictures, from left to right."""
        ...

    def heard(self, row: int, line: Any) -> Said:
        """What a line of this row says, in the page's words."""
        ...

    def line(self, row: int, what: Said, **own: Any) -> Line:
        """The line for what was said of a row; ``own`` are the fields of :class:`pipeline.answers.Line`."""
        ...

    def taken_back(self, row: int, **own: Any) -> Line:
        """The line that takes back what was said of a row."""
        ...

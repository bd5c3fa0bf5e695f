"""Pairs of base and adapted picture as the page's items: which do people like better (the paper's Table 3, B.4).

Sides are drawn by seed, reviewer and pair, and stay here: the page knows left and right alone.
"""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import answers, tables
from pipeline.answers import QUESTIONS, Arm, Line, PreferenceAnswer, Side
from pipeline.errors import InputError
from pipeline.generated import MANIFEST
from pipeline.review_page.drawing import draw, item_draws
from pipeline.review_page.task import Columns, Place, Question, Said, said
from pipeline.tables import KEY

BASE: Arm = "base"
ADAPTED: Arm = "adapted"
Pair = dict[str, dict[str, Any]]


class Pairs:
    """Items of ``sur review preference``: each reviewer is asked about every pair.

    Args:
        manifest: rows of MANIFEST; pictures without their other arm are left out.
        reviewer: who is asked.
        seed: of the sides.
        tie: whether a question may be answered with neither.
    """

    name: answers.Task = "preference"
    shape: type[Line] = PreferenceAnswer
    everyone = True

    def __init__(self, manifest: pa.Table, reviewer: str, *, seed: int, tie: bool) -> None:
        found = {_key(pair): pair for pair in _pairs(manifest)}
        self._keys, self._pairs = list(found), list(found.values())
        self.keys: Sequence[str] = [" ".join(map(str, key)) for key in found]
        self.rows: Mapping[Hashable, int] = {key: row for row, key in enumerate(found)}
        self.columns = Columns()
        self._base_left = draw(item_draws(self.keys), seed, "left", reviewer) >> 63 == 0
        choices: tuple[Side, ...] = ("left", "right", "tie") if tie else ("left", "right")
        self._questions = tuple(Question(name, text, choices) for name, text in QUESTIONS.items())

    def facts(self, row: int) -> dict[str, Any]:
        """See :class:`pipeline.review_page.task.Task`."""
        return {
            "texts": [{"label": "Both were asked for with", "text": self._pairs[row][BASE]["text"]}],
            "alts": ["Left picture", "Right picture"],
        }

    def questions(self, row: int) -> Sequence[Question]:
        """All questions; the first is the paper's."""
        return self._questions

    def places(self, row: int) -> Sequence[Place]:
        """The left and the right picture."""
        pair = self._pairs[row]
        return tuple(Place(pair[arm]["part"], pair[arm][KEY], pair[arm]["sha256"]) for arm in self._arms(row))

    def heard(self, row: int, line: Any) -> Said:
        """See :class:`pipeline.review_page.task.Task`; a choice is told by the side on which its arm is shown here."""
        left, right = self._arms(row)
        sides = {left: "left", right: "right", "tie": "tie"}
        return said(tuple((name, sides[arm]) for name, arm in line.choices().items()), (), line.note)

    def line(self, row: int, what: Said, **own: Any) -> Line:
        """See :class:`pipeline.review_page.task.Task`."""
        chosen: Any = dict(what.answers)
        return PreferenceAnswer(**self._item(row), left=self._arms(row)[0], answers=chosen, note=what.note, **own)

    def taken_back(self, row: int, **own: Any) -> Line:
        """See :class:`pipeline.review_page.task.Task`."""
        return PreferenceAnswer(**self._item(row), retracted=True, **own)

    def _arms(self, row: int) -> tuple[Arm, Arm]:
        return (BASE, ADAPTED) if self._base_left[row] else (ADAPTED, BASE)

    def _item(self, row: int) -> dict[str, Any]:
        names = ("prompt_id", "index", "sha256_base", "sha256_adapted")
        return dict(zip(names, self._keys[row], strict=True))


def _pairs(manifest: pa.Table) -> list[Pair]:
    """Arm -> row of all that have both arms, prompts, indices and methods in the manifest's order."""
    places: dict[tuple[str, ...], Pair] = {}
    for row in manifest.to_pylist():
        prompt_id, index, _, *method = row[KEY].split("/")
        places.setdefault((prompt_id, index, *method), {})[row["arm"]] = row
    return [pair for pair in places.values() if {BASE, ADAPTED} <= pair.keys()]


def _key(pair: Pair) -> tuple[str, int, str, str]:
    base = pair[BASE]
    return base["prompt_id"], base["index"], base["sha256"], pair[ADAPTED]["sha256"]


def load(manifest: Path, reviewer: str, *, seed: int, tie: bool) -> Pairs:
    """The pairs of the last ``sample``.

    Raises:
        InputError: the table is missing or not of its schema, or it has no pair.
    """
    task = Pairs(tables.read(manifest, MANIFEST), reviewer, seed=seed, tie=tie)
    if not task.keys:
        raise InputError(f"{manifest} has no pair of a base and an adapted picture: run dvc repro sample")
    return task

"""Generated pictures as the page's items: does one show what its prompt asks for (the paper's Action, Color, Counting).

Blind: the page gets the prompt's sentence for every arm, never the arm, the sample id or the picture's digest.
"""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import answers, tables
from pipeline.answers import Line, SemanticVerdict
from pipeline.errors import InputError
from pipeline.generated import MANIFEST
from pipeline.review_page.task import Columns, Place, Question, Said, said
from pipeline.tables import KEY

VERDICT = Question(
    "verdict",
    "Does the picture show all that the text says: what, how many, which colours, doing what?",
    ("yes", "no", "unsure"),
)
BASE = "base"


class Semantic:
    """Items of ``sur review semantic``.

    Args:
        manifest: rows of MANIFEST. The sentence that is shown is the base arm's; pictures of prompts that have none
            are left out, since another arm's wording would tell the arm.
    """

    name: answers.Task = "semantic"
    shape: type[Line] = SemanticVerdict
    everyone = False

    def __init__(self, manifest: pa.Table) -> None:
        found = manifest.to_pylist()
        self._sentences = {row["prompt_id"]: row["text"] for row in found if row["arm"] == BASE}
        self._rows = [row for row in found if row["prompt_id"] in self._sentences]
        self.keys: Sequence[str] = [f"{row[KEY]} {row['sha256']}" for row in self._rows]
        self.rows: Mapping[Hashable, int] = {(row[KEY], row["sha256"]): at for at, row in enumerate(self._rows)}
        types = np.array([row["type"] for row in self._rows], dtype=object)
        self.columns = Columns(filters={name: types == name for name in sorted({*types.tolist()})})

    def facts(self, row: int) -> dict[str, Any]:
        """See :class:`pipeline.review_page.task.Task`."""
        sentence = self._sentences[self._rows[row]["prompt_id"]]
        return {
            "texts": [{"label": "The picture was asked for with", "text": sentence}],
            "alts": ["Generated picture; the text that it was asked for with follows"],
        }

    def questions(self, row: int) -> Sequence[Question]:
        """The one question, on the whole text: the paper's all or nothing."""
        return (VERDICT,)

    def places(self, row: int) -> Sequence[Place]:
        """The one picture."""
        found = self._rows[row]
        return (Place(found["part"], found[KEY], found["sha256"]),)

    def heard(self, row: int, line: Any) -> Said:
        """See :class:`pipeline.review_page.task.Task`; answers by skill are joined."""
        return said(((VERDICT.name, str(line.whole)),), (), line.note)

    def line(self, row: int, what: Said, **own: Any) -> Line:
        """See :class:`pipeline.review_page.task.Task`."""
        verdict: Any = dict(what.answers)[VERDICT.name]
        return SemanticVerdict(**self._item(row), verdict=verdict, note=what.note, **own)

    def taken_back(self, row: int, **own: Any) -> Line:
        """See :class:`pipeline.review_page.task.Task`."""
        return SemanticVerdict(**self._item(row), retracted=True, **own)

    def _item(self, row: int) -> dict[str, Any]:
        return {"sample_id": self._rows[row][KEY], "sha256": self._rows[row]["sha256"]}


def load(manifest: Path) -> Semantic:
    """The pictures of the last ``sample``.

    Raises:
        InputError: the table is missing or not of its schema, or nothing in it can be shown.
    """
    task = Semantic(tables.read(manifest, MANIFEST))
    if not task.keys:
        raise InputError(f"{manifest} has no picture of the base arm: run dvc repro sample")
    return task

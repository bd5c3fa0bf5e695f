"""The pairs that the CLIP filter kept, as the page's items (the paper's second filter)."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import answers, tables
from pipeline.answers import Line, TripletVerdict
from pipeline.cleaning import CLEANED
from pipeline.review.tasks import QUEUE
from pipeline.review_page.task import Columns, Place, Question, Said, said
from pipeline.tables import KEY

VERDICT = Question("verdict", "Do both prompts say what the picture shows?", ("keep", "reject", "unsure"))
PG = 1  # CLEANED.nsfw_level: 0 where the source does not rate, 1 for everybody
FACTS = tables.select(CLEANED, (KEY, "group", "nsfw_level"))


class Triplets:
    """Items of ``sur review triplets``.

    Args:
        queue: rows of QUEUE.
        cleaned: rows with the columns FACTS, in any order, some or all of the queue's.
    """

    name: answers.Task = "triplets"
    shape: type[Line] = TripletVerdict
    everyone = False

    def __init__(self, queue: pa.Table, cleaned: pa.Table) -> None:
        self._queue = queue.combine_chunks()
        self.keys: Sequence[str] = queue.column("review_key").to_pylist()
        self.rows: Mapping[Hashable, int] = {key: row for row, key in enumerate(self.keys)}
        self._flagged, self._groups = _facts(queue, cleaned)
        self._group_sizes = np.bincount(self._groups) if len(self.keys) else np.zeros(0, dtype=int)
        ranks = queue.column("rank").to_numpy()
        self.columns = Columns(
            filters={"duplicates": self._group_sizes[self._groups] > 1, "flagged": self._flagged},
            orders={"margin": np.argsort(ranks, kind="stable"), "duplicates": _together(self._groups, ranks)},
        )

    def flag(self, row: int) -> None:
        """Hide the picture of a row until the reviewer asks for it: somebody said that it is not safe for work."""
        self._flagged[row] = True

    def facts(self, row: int) -> dict[str, Any]:
        """See :class:`pipeline.review_page.task.Task`."""
        found = self._queue.slice(row, 1).to_pylist()[0]
        return {
            "texts": [
                {"label": "Caption (simple prompt)", "text": found["simple_prompt"]},
                {"label": "Source's prompt (complex)", "text": found["complex_prompt"]},
            ],
            "alts": ["Picture of the pair; both prompts follow"],
            "details": [f"margin {found['margin']:.2f}", found["source"]],
            "page_url": found["page_url"] if found["page_url"].startswith(("https://", "http://")) else "",
            "flagged": bool(self._flagged[row]),
            "copies": int(self._group_sizes[self._groups[row]]) - 1,
        }

    def questions(self, row: int) -> Sequence[Question]:
        """The one question."""
        return (VERDICT,)

    def places(self, row: int) -> Sequence[Place]:
        """The one picture."""
        part, key, sha256 = (self._queue.column(name)[row].as_py() for name in ("part", KEY, "image_sha256"))
        return (Place(part, key, sha256),)

    def heard(self, row: int, line: Any) -> Said:
        """See :class:`pipeline.review_page.task.Task`."""
        if "nsfw" in line.reasons:
            self.flag(row)
        return said(((VERDICT.name, str(line.verdict)),), line.reasons, line.note)

    def line(self, row: int, what: Said, **own: Any) -> Line:
        """See :class:`pipeline.review_page.task.Task`."""
        verdict: Any = dict(what.answers)[VERDICT.name]
        return TripletVerdict(review_key=self.keys[row], verdict=verdict, reasons=what.reasons, note=what.note, **own)

    def taken_back(self, row: int, **own: Any) -> Line:
        """See :class:`pipeline.review_page.task.Task`."""
        return TripletVerdict(review_key=self.keys[row], retracted=True, **own)


def load(queue: Path, cleaned: Path) -> Triplets:
    """The items of the last ``review_export``.

    Raises:
        InputError: a table is missing or not of its schema.
    """
    return Triplets(tables.read(queue, QUEUE), tables.read(cleaned, FACTS))


def _facts(queue: pa.Table, cleaned: pa.Table) -> tuple[Any, Any]:
    """For each row whether its rating is above PG, and the number of its group, shape (n,) each."""
    places = pc.index_in(queue.column(KEY), value_set=cleaned.column(KEY).combine_chunks())
    found = cleaned.take(places)
    levels = pc.fill_null(found.column("nsfw_level"), 0).to_numpy()
    groups = pc.coalesce(found.column("group"), queue.column(KEY))
    numbers = groups.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return np.array(levels > PG), numbers


def _together(groups: Any, ranks: Any) -> Any:
    """The rows group by group, those groups first whose best row comes first in the queue."""
    best = np.full(groups.max(initial=-1) + 1, np.iinfo(ranks.dtype).max, dtype=ranks.dtype)
    np.minimum.at(best, groups, ranks)
    return np.lexsort((ranks, groups, best[groups]))

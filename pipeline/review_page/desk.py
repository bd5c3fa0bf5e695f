"""One reviewer at work: what is asked next, taking answers, pictures under addresses that tell nothing."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.answers import REASONS, Line
from pipeline.errors import InputError
from pipeline.review_page import drawing
from pipeline.review_page.journal import Journal
from pipeline.review_page.queue import ALL, Queue
from pipeline.review_page.shards import Shards
from pipeline.review_page.standing import Standing
from pipeline.review_page.task import Said, Task, said

LAST_TIMES = 50  # of which the median tells how long the rest takes
ENOUGH_TIMES = 10  # before which nothing is told
LEAST_SECONDS = 0.2  # in less nobody has looked at a picture: such times tell nothing of the rest
Address = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class WrongAnswerError(InputError):
    """An answer that is none of those that were asked for: asking again with it is of no use."""


class Answer(BaseModel):
    """What the page says of some questions of one item; the same may be said twice.

    Questions that it does not name stay as they are: another page of the same person may have answered them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Address
    answers: dict[str, str] = Field(max_length=8)
    """Question -> choice."""
    taken_back: list[str] = Field(default=[], max_length=8)
    """Questions whose answers no longer hold; an answer in ``answers`` comes after that."""
    reasons: list[str] = Field(default=[], max_length=len(REASONS))
    note: str = Field(default="", max_length=2000)
    seconds: float | None = Field(default=None, ge=0, le=3600, allow_inf_nan=False)
    """Since the item was shown, or since the last answer on it."""


class Answers(BaseModel):
    """What a request of the page brings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    answers: list[Answer] = Field(min_length=1, max_length=200)


class Desk:
    """A reviewer's items, answers and pictures. Several threads may ask at once.

    Args:
        task: the items.
        standing: what was said of them.
        queue: what is asked of the reviewer.
        journal: where answers go.
        shards: where pictures are.
        reviewer: the name in the lines.
        seed: of the addresses, which follow from the reviewer too: a browser keeps pictures by address, and which
            arm is on the left differs from person to person.
        adjudicating: whether lines are rulings on conflicts.
    """

    def __init__(
        self,
        task: Task,
        standing: Standing,
        queue: Queue,
        journal: Journal,
        shards: Shards,
        *,
        reviewer: str,
        seed: int,
        adjudicating: bool = False,
    ) -> None:
        self._task, self._standing, self._queue, self._journal = task, standing, queue, journal
        self._shards, self._reviewer, self._adjudicating = shards, reviewer, adjudicating
        numbers = drawing.draw(drawing.item_draws(task.keys), seed, "address", reviewer)
        self._addresses = np.char.mod("%016x", numbers).astype("S16") if len(numbers) else np.zeros(0, "S16")
        self._rows = {address: row for row, address in enumerate(self._addresses.tolist())}
        self._turn = threading.RLock()

    def session(self) -> dict[str, Any]:
        """What the page needs once: who, what, and the names of orders, filters and reasons."""
        return {
            "task": self._task.name,
            "reviewer": self._reviewer,
            "adjudicating": self._adjudicating,
            "orders": self._queue.orders,
            "filters": self._queue.filters,
            "reasons": REASONS if self._task.name == "triplets" else {},
        }

    def items(self, filter_name: str, order: str, start: int, count: int) -> dict[str, Any]:
        """The next items, where to go on, and how far the reviewer is.

        Raises:
            InputError: there is no such filter or order, or somebody's file is broken.
        """
        if filter_name not in self._queue.filters or order not in self._queue.orders:
            raise InputError(f"no such filter or order: {filter_name!r}, {order!r}")
        with self._turn:
            self._standing.refresh()
            rows, after = self._queue.ask(filter_name, order, start, count)
            items = [self._item(int(row)) for row in rows]
            here = self._queue.left(filter_name)
            return {"items": items, "after": after, "here": here, **self.progress()}

    def progress(self) -> dict[str, Any]:
        """Items answered, begun and left, and the seconds that one answer takes, null until there are enough times."""
        times = [seconds for seconds in self._standing.seconds[-LAST_TIMES:] if seconds >= LEAST_SECONDS]
        answered = int(self._standing.answered.sum())
        return {
            "mine": answered,
            "begun": len(self._standing.mine) - answered,
            "left": self._queue.left(ALL),
            "seconds_each": median(times) if len(times) >= ENOUGH_TIMES else None,
        }

    def take(self, said_now: Sequence[Answer]) -> dict[str, Any]:
        """Write what changed; when this returns, it is on the disk.

        Raises:
            WrongAnswerError: an item, question, choice or reason is not known; nothing was written.
            InputError: a line of somebody's file is broken; nothing was written.
            StorageError: the disk does not take it; nothing was written.
        """
        with self._turn:
            self._standing.refresh()
            lines = [line for answer in said_now for line in self._lines(answer)]
            if lines:
                self._journal.append(lines)
                self._standing.refresh()
            return self.progress()

    def picture(self, address: str, side: int) -> bytes:
        """The encoded picture at an address.

        Raises:
            InputError: there is none.
        """
        places = self._task.places(self._row(address))
        if not 0 <= side < len(places):
            raise InputError("no such picture")
        return self._shards.picture(places[side])

    def _row(self, address: str) -> int:
        row = self._rows.get(address.encode())
        if row is None:
            raise WrongAnswerError("no such item: reload the page")
        return row

    def _item(self, row: int) -> dict[str, Any]:
        address = self._addresses[row].decode()
        item = {
            "id": address,
            "pictures": [f"/picture/{address}/{side}" for side in range(len(self._task.places(row)))],
            "questions": [
                {"name": question.name, "text": question.text, "choices": list(question.choices)}
                for question in self._task.questions(row)
            ],
            "mine": _told(self._standing.mine.get(row, said(()))),
            **self._task.facts(row),
        }
        if self._adjudicating:
            held = self._standing.others.get(row, {})
            item["others"] = [{"reviewer": name, **_told(words)} for name, words in sorted(held.items())]
        return item

    def _lines(self, answer: Answer) -> list[Line]:
        row = self._row(answer.id)
        self._check(row, answer)
        before = self._standing.mine.get(row, said(()))
        kept = {name: choice for name, choice in before.answers if name not in answer.taken_back}
        chosen = tuple(sorted({**kept, **answer.answers}.items()))
        now = said(chosen, tuple(answer.reasons), answer.note)
        if before == now or not (answer.answers or len(kept) < len(before.answers)):
            return []
        now_s = datetime.now(UTC).replace(microsecond=0)
        own: dict[str, Any] = {"reviewer": self._reviewer, "adjudicated": self._adjudicating, "at": now_s}
        if not chosen:
            return [self._task.taken_back(row, **own)]
        own["seconds"] = None if answer.seconds is None else round(answer.seconds, 2)
        if dict(before.answers).keys() - dict(chosen).keys():
            return [self._task.taken_back(row, **{**own, "seconds": None}), self._task.line(row, now, **own)]
        return [self._task.line(row, self._changed(before, now), **own)]

    def _changed(self, before: Said, now: Said) -> Said:
        """Of several questions those whose answers are new, all where only the note is."""
        new = tuple(pair for pair in now.answers if pair not in before.answers)
        return said(new or now.answers, now.reasons, now.note) if self._task.everyone else now

    def _check(self, row: int, answer: Answer) -> None:
        asked = {question.name: question.choices for question in self._task.questions(row)}
        for name, choice in answer.answers.items():
            if choice not in asked.get(name, ()):
                raise WrongAnswerError(f"no such answer: {name!r}: {choice!r}")
        if not {*answer.taken_back} <= asked.keys():
            raise WrongAnswerError(f"no such question among {answer.taken_back}")
        known = REASONS if self._task.name == "triplets" else {}
        if not {*answer.reasons} <= known.keys():
            raise WrongAnswerError(f"no such reason among {answer.reasons}")


def _told(words: Said) -> dict[str, Any]:
    return {"answers": dict(words.answers), "reasons": list(words.reasons), "note": words.note}

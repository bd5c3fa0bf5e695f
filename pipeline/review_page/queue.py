"""What a reviewer is asked, and in which order."""

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.review.verdicts import ReviewParams
from pipeline.review_page import drawing
from pipeline.review_page.standing import Standing
from pipeline.review_page.task import Rows, Task

ALL, MINE, SEEDED = "all", "mine", "seeded"


class Queue:
    """The items of one reviewer.

    An item needs one verdict, or two if it is drawn into the overlap; the reviewer's own counts as one. Items that have
    what they need from others are not asked. With ``review.reviewers`` items are divided between these names from the
    start; without it everybody is asked for all that is open, each in an order of their own.

    Args:
        task: the items.
        standing: what was said of them.
        reviewer: who is asked.
        config: overlap, seed and names.
        adjudicating: ask for the items on which reviewers differ, and no others.

    Raises:
        InputError: the reviewer is none of ``review.reviewers``.
    """

    def __init__(
        self, task: Task, standing: Standing, reviewer: str, config: ReviewParams, *, adjudicating: bool = False
    ) -> None:
        self._task, self._standing, self._adjudicating = task, standing, adjudicating
        draws = drawing.item_draws(task.keys)
        twice = drawing.shares(draws, config.seed, "overlap") < config.overlap
        self._needed = np.where(twice, 2, 1).astype(np.uint8)
        self._share = self._assigned(draws, reviewer, config)
        self._orders = {SEEDED: drawing.order(draws, config.seed, "order", reviewer), **task.columns.orders}

    def _assigned(self, draws: drawing.Draws, reviewer: str, config: ReviewParams) -> NDArray[np.bool_]:
        everything = np.ones(len(draws), dtype=bool)
        if self._adjudicating or self._task.everyone or not config.reviewers:
            return everything
        if reviewer not in config.reviewers:
            names = ", ".join(config.reviewers)
            raise InputError(f"{reviewer} is none of review.reviewers ({names}): add the name in params.yaml")
        return drawing.assigned(draws, self._needed, config.reviewers, reviewer, config.seed)

    @property
    def filters(self) -> list[str]:
        """The names of filters, for :meth:`ask`."""
        return [ALL, *self._task.columns.filters, MINE]

    @property
    def orders(self) -> list[str]:
        """The names of orders, for :meth:`ask`."""
        return [name for name in self._orders if name not in self._task.columns.filters]

    def open(self) -> NDArray[np.bool_]:
        """Which items are asked of the reviewer now, shape (n,)."""
        standing = self._standing
        if self._adjudicating:
            return np.asarray(standing.differing & ~standing.ruled & ~standing.answered)
        wanted = self._share & ~standing.answered
        return wanted if self._task.everyone else np.asarray(wanted & (standing.people < self._needed))

    def ask(self, filter_name: str, order: str, start: int, count: int) -> tuple[Rows, int | None]:
        """The next open items, and where to go on (None at the end).

        Args:
            filter_name: one of ``filters``; ``mine`` gives what the reviewer answered, the newest first.
            order: one of ``orders``; duplicates always come group by group.
            start: 0, or what the last call gave.
            count: at most so many.
        """
        if filter_name == MINE:
            rows = np.array(list(self._standing.mine)[::-1], dtype=np.intp)
            fits = np.ones(len(rows), dtype=bool)
        else:
            rows = self._orders.get(filter_name, self._orders[order])
            fits = self.open()[rows] & self._passing(filter_name)[rows]
        places = start + np.flatnonzero(fits[start:])[:count]
        if len(places) < count:
            return rows[places], None
        return rows[places], int(places[-1]) + 1 if count else start

    def left(self, filter_name: str) -> int:
        """How many items are still asked with a filter."""
        return int((self.open() & self._passing(filter_name)).sum())

    def _passing(self, filter_name: str) -> NDArray[np.bool_]:
        found = self._task.columns.filters.get(filter_name)
        return np.ones(len(self._needed), dtype=bool) if found is None else found

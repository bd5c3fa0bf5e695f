"""A model stage at work: an operator over Arrow tables, its work cut into units whose results are kept one by one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, TypeVar, runtime_checkable

import pyarrow as pa

from pipeline import cli
from pipeline.errors import ModelError
from pipeline.work import ROW_KEY

Result = TypeVar("Result")
Asked = int | Literal["auto"]

UNSPLIT_ROWS = 64  # what "auto" means where there is no GPU to fill
LARGEST_BATCH = 512  # where the search on a GPU begins
ROWS_AT_ONCE = 32_768  # of a stage whose keys are in memory together: one call of a runner


class Operator(Protocol):
    """A model stage: built once a worker (weights are loaded there), then called with Arrow tables."""

    def __call__(self, rows: pa.Table, /) -> pa.Table:
        """Rows with a column ``key`` in, one result row for each under the same key out."""


@runtime_checkable
class Preparing(Protocol):
    """An operator that splits off what needs no model: decoding, resizing. It runs in a thread beside the model."""

    def prepare(self, rows: pa.Table, /) -> pa.Table:
        """Rows as they were read in, rows as the call takes them out."""


class Store(Protocol):
    """Where finished rows are kept, as :class:`pipeline.work.ResultStore`."""

    @property
    def writer(self) -> Callable[[pa.Table], str]:
        """Writes rows whole or not at all and says under what name; can be sent to another process."""

    def locked(self) -> AbstractContextManager[None]:
        """One run at a time; whoever waited sees what the other wrote."""

    def missing(self, keys: Sequence[str]) -> list[str]:
        """Those keys, each once and in their order, whose rows are not there yet."""

    def note(self, written: str) -> None:
        """Take in what the writer wrote."""


@dataclass(frozen=True)
class Work:
    """What a worker needs; all of it can be sent to another process."""

    label: str
    """Of the progress bar."""

    build: Callable[[], Operator]
    """Makes the operator; called once a worker, and only where there is work."""

    read: Callable[[pa.Table], pa.Table]
    """Completes a unit's rows by what is too large to hold for all of them, such as pictures."""

    unit: int
    """Rows that are read, computed and kept together: a kill costs no more than a worker's last ones."""


Runner = Callable[[Work, pa.Table, Store], None]


def as_they_are(rows: pa.Table) -> pa.Table:
    """For work whose rows need no reading."""
    return rows


def local(work: Work, rows: pa.Table, store: Store) -> None:
    """Compute in this process what the store lacks; the next unit is read and prepared while the model runs.

    Args:
        work: how.
        rows: what is wanted: a column ``key``, which names the content that a result is made from, and what
            ``work.read`` needs.
        store: where results are kept; a killed run goes on after its last unit.
    """
    with store.locked():
        units = plan(rows.column(ROW_KEY).to_pylist(), store.missing, work.unit)
        if not units:
            return
        operator = work.build()
        with cli.counting(sum(map(len, units)), work.label) as bar:
            for ready in ahead((rows.take(unit) for unit in units), partial(prepared, work, operator)):
                store.note(store.writer(operator(ready)))
                bar.update(ready.num_rows)


def plan(keys: Sequence[str], missing: Callable[[Sequence[str]], list[str]], size: int) -> list[pa.Array]:
    """The rows of each unit: what is missing, each key once, in the keys' order.

    Boundaries lie every ``size`` distinct keys, whatever is finished already, so that a run that was killed goes on
    with the same units and ends with the same bytes; the rest of units that are finished in part is joined.
    """
    place = {key: row for row, key in reversed(list(enumerate(keys)))}
    distinct = list(dict.fromkeys(keys))
    waiting = set(missing(distinct))
    units, rest = list[list[int]](), list[int]()
    for start in range(0, len(distinct), size):
        chunk = distinct[start : start + size]
        rows = [place[key] for key in chunk if key in waiting]
        if len(rows) == len(chunk):
            units.append(rows)
        else:
            rest += rows
    units += [rest[start : start + size] for start in range(0, len(rest), size)]
    return [pa.array(rows, pa.int64()) for rows in units]


def prepared(work: Work, operator: Operator, rows: pa.Table) -> pa.Table:
    """A unit's rows as the operator takes them."""
    rows = work.read(rows)
    return operator.prepare(rows) if isinstance(operator, Preparing) else rows


def ahead(items: Iterable[pa.Table], action: Callable[[pa.Table], pa.Table]) -> Iterator[pa.Table]:
    """The action's results in order, the next one made in a thread while the caller works on the last."""
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        waiting = None
        for item in items:
            following = thread.submit(action, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


class BatchSize:
    """Rows a call of a model: fixed, or halved until they fit the GPU.

    Args:
        asked: a number, or ``auto``.
        device: a torch device; without a GPU ``auto`` is a fixed number.
        setting: the key in params.yaml, for the user's eyes.
    """

    def __init__(self, asked: Asked, device: str, setting: str) -> None:
        self._search = asked == "auto" and device.startswith("cuda")
        self._setting = setting
        if isinstance(asked, int):
            self.rows = asked
        else:
            self.rows = LARGEST_BATCH if self._search else UNSPLIT_ROWS

    def attempt(self, call: Callable[[int], Result]) -> Result:
        """Call with the number of rows, again with half as many while the GPU's memory does not do.

        Raises:
            ModelError: the fixed number, or a single row, does not fit.
        """
        import torch

        while True:
            try:
                return call(self.rows)
            except torch.OutOfMemoryError as error:
                if not self._search or self.rows == 1:
                    raise ModelError(self._too_large()) from error
            self.rows //= 2
            torch.cuda.empty_cache()
            cli.say(f"{self._setting}: the GPU's memory did not do, going on with {self.rows}")

    def _too_large(self) -> str:
        if self._search:
            return f"{self._setting}: not even one row fits the GPU's memory: take a smaller model or another dtype"
        return f"{self._setting}: {self.rows} rows do not fit the GPU's memory: take fewer, or auto"


class Batches:
    """The operator, always called with exactly as many rows as the batch has, the last one repeated.

    Matrix products round by their size: a short batch would give a row other last bits than a full one, and bytes would
    depend on what a killed run left to do.
    """

    def __init__(self, operator: Operator, size: BatchSize) -> None:
        self._operator, self._size = operator, size

    def prepare(self, rows: pa.Table) -> pa.Table:
        """As the operator prepares them."""
        return self._operator.prepare(rows) if isinstance(self._operator, Preparing) else rows

    def __call__(self, rows: pa.Table) -> pa.Table:
        """All rows, batch by batch."""
        return self._size.attempt(lambda batch: self._in(batch, rows))

    def _in(self, batch: int, rows: pa.Table) -> pa.Table:
        starts = range(0, rows.num_rows, batch)
        return pa.concat_tables([self._full(batch, rows.slice(start, batch)) for start in starts])

    def _full(self, batch: int, rows: pa.Table) -> pa.Table:
        if rows.num_rows == batch:
            return self._operator(rows)  # nothing to copy
        fill = [rows.num_rows - 1] * (batch - rows.num_rows)
        return self._operator(rows.take([*range(rows.num_rows), *fill])).slice(0, rows.num_rows)

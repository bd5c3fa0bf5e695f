"""The data set's simple prompts, a window of shards at a time, and the LLM's work on them sorted by length.

A window holds some 16,000 prompts: enough that passes over prompts of one length are full, and little enough that
memory does not depend on the data set's size. What an earlier window has computed is found in the work store.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import operating, tables
from pipeline.operating import Operator, Runner, Store, Work
from pipeline.tables import KEY, column
from pipeline.work import ROW_KEY

SHARDS_A_WINDOW = 16  # of 1,000 rows each
PROMPTS = tables.schema(column(KEY, pa.string(), ""), column("simple_prompt", pa.string(), ""))
Lengths = Callable[[Sequence[str]], Sequence[int]]


@dataclass(frozen=True)
class Window:
    """Some shards: ids and prompts, and nothing else of them."""

    shards: tuple[pa.Table, ...]

    @cached_property
    def prompts(self) -> list[str]:
        """Of all rows, in their order."""
        found: list[str] = pa.concat_tables(self.shards).column("simple_prompt").to_pylist()
        return found

    @cached_property
    def distinct(self) -> list[str]:
        """Each prompt once, in the order in which they first come."""
        return list(dict.fromkeys(self.prompts))


def windows(source: Path) -> Iterator[Window]:
    """The data set in the order of its shards.

    Raises:
        InputError: the folder has no shards, or one is damaged.
    """
    shards = tables.shards(source)
    for start in range(0, len(shards), SHARDS_A_WINDOW):
        yield Window(tuple(tables.read(path, PROMPTS) for path in shards[start : start + SHARDS_A_WINDOW]))


class Once:
    """Builds an operator when it is first wanted and keeps it for later windows; a copy sent away builds anew.

    Args:
        build: makes the operator.
    """

    def __init__(self, build: Callable[[], Operator]) -> None:
        self._build = build
        self._built: Operator | None = None

    def __call__(self) -> Operator:
        """The operator."""
        if self._built is None:
            self._built = self._build()
        return self._built

    def forget(self) -> None:
        """Let go of the operator, and of what only its own cycles keep alive: an LLM does not wait for a collection."""
        if self._built is not None:
            self._built = None
            gc.collect()

    def __getstate__(self) -> dict[str, Any]:
        """Without the operator: weights do not travel."""
        return {"_build": self._build, "_built": None}


def by_length(work: Work, prompts: Sequence[str], store: Store, run: Runner, lengths: Lengths) -> None:
    """Run what the store lacks of these prompts, neighbours in length together, whatever is finished already.

    Args:
        work: how.
        prompts: which, each once.
        store: where results are kept.
        run: where.
        lengths: gives each prompt's number of tokens.
    """
    if store.missing(prompts):
        run(work, pa.table({ROW_KEY: ordered(prompts, lengths)}), store)


def ordered(prompts: Sequence[str], lengths: Lengths) -> list[str]:
    """Short prompts first, those of one length by their text: the order in which they are computed and so kept."""
    told = dict(zip(prompts, lengths(prompts), strict=True))
    return sorted(prompts, key=lambda prompt: (told[prompt], prompt))


def compute(work: Work, source: Path, store: Store, lengths: Lengths, run: Runner = operating.local) -> None:
    """As :func:`by_length` for all windows, one after the other; the operator is built once and lives no longer."""
    once = Once(work.build)
    try:
        for window in windows(source):
            by_length(replace(work, build=once), window.distinct, store, run, lengths)
    finally:
        once.forget()

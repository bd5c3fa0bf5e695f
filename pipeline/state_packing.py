"""Token states of the whole data set: how many bytes they take, their computing, and their packing into files."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import cli, decoder, layer_encoder, llm_loading, operating, prompt_tokens, token_states
from pipeline.errors import StorageError
from pipeline.llm import LlmParams, LlmShape, facts, states_layer
from pipeline.operating import Operator, Runner, Work
from pipeline.prompt_tokens import PromptTokens
from pipeline.prompt_windows import Lengths, compute, ordered, windows
from pipeline.state_files import BATCH_BYTES, StatesWriter, part_schema, state_files
from pipeline.tables import KEY
from pipeline.token_states import Fed, looked_at, numbers, result
from pipeline.work import ROW_KEY, ResultStore

UNIT_BYTES = 256 * 2**20  # of states that are computed and kept together
PART_PROMPTS = 1_000  # whose states share a file
CODE = (token_states, layer_encoder, decoder, llm_loading, prompt_tokens)


@dataclass(frozen=True)
class Extent:
    """What the states of a data set come to."""

    tokens: int
    """Of all windows' distinct prompts: rows that are written."""
    lacking: int
    """Those of them that the work store lacks."""
    longest: int
    """Tokens of the longest prompt."""
    ids: tuple[int, ...]
    """Distinct tokens, ascending."""


def write_states(
    source: Path,
    folder: Path,
    config: LlmParams,
    sizes: LlmShape,
    *,
    build: Callable[[Fed], Operator],
    tokens: PromptTokens,
    unit: int,
    run: Runner = operating.local,
) -> None:
    """Write the states of every sample's tokens; finished prompts are kept in the work store.

    Args:
        source: the data set's shards.
        folder: ``data/embed/states``.
        config: which states.
        sizes: layers and width of the LLM.
        build: makes the operator for prompts, or for tokens that are fed alone.
        tokens: the LLM's tokenizer.
        unit: prompts that are computed and kept together at most.
        run: where.

    Raises:
        StorageError: the disk has not that much room.
    """
    kept = Kept(config, states_layer(config, sizes.layers), sizes.width)
    extent = measure(source, tokens, kept.prompts)
    alone = [str(token) for token in extent.ids] if config.states == "blocks" else []
    lacking = extent.lacking + len(kept.alone.missing(alone))
    need_room(folder, kept, extent.tokens + len(alone), lacking)
    longest = kept.token_bytes * max(1, extent.longest)
    rows = max(1, min(unit, UNIT_BYTES // longest))
    prompts = Work("embed, token states", partial(build, "prompt"), operating.as_they_are, rows)
    lengths = partial(_lengths, tokens)
    compute(prompts, source, kept.prompts, lengths, run)
    if alone:
        single = Work("embed, tokens alone", partial(build, "token"), operating.as_they_are, unit)
        run(single, pa.table({ROW_KEY: alone}), kept.alone)
    _pack(source, folder, kept, alone, lengths=lengths, longest=longest)


def _lengths(tokens: PromptTokens, prompts: Sequence[str]) -> list[int]:
    return [len(read) for read in tokens.ids(prompts)]


class Kept:
    """Which states, and the stores in which they are kept: by prompt, and by token fed alone."""

    def __init__(self, config: LlmParams, layer: int, width: int) -> None:
        self.config, self.layer, self.width = config, layer, width
        self.prompts, self.alone = self._store("prompt"), self._store("token")

    def _store(self, fed: Fed) -> ResultStore:
        unused = {"layer", "layers", "states_layer", "final_norm"}  # states are taken before the final norm
        unused |= {"pool_bos"} if fed == "token" else set()
        settings = self.config.model_dump(exclude=unused) | {"states_layer": self.layer, "fed": fed}
        return ResultStore("embed", settings, result(self.config, self.layer, self.width), code=CODE)

    @property
    def token_bytes(self) -> int:
        """Bytes of a token's states."""
        return numbers(self.config, self.layer, self.width) * np.dtype(self.config.store_dtype).itemsize

    @property
    def schema(self) -> pa.Schema:
        """Of the parts that are written."""
        layers = len(looked_at(self.config, self.layer)) if self.config.states == "blocks" else 0
        told = facts(self.config) | {"states": self.config.states, "layer": str(self.layer)}
        told |= {"final_norm": "false", "start_token": str(self.config.pool_bos).lower()}
        told.pop("pooling")  # nothing is pooled
        return part_schema(layers, self.width, self.config.store_dtype, told)


def measure(source: Path, tokens: PromptTokens, store: ResultStore) -> Extent:
    """Count tokens over all windows."""
    total = lacking = longest = 0
    ids: set[int] = set()
    for window in windows(source):
        absent = set(store.missing(window.distinct))
        for prompt, read in zip(window.distinct, tokens.ids(window.distinct), strict=True):
            own = tokens.own(read)
            total += len(own)
            lacking += len(own) if prompt in absent else 0
            longest = max(longest, len(own))
            ids.update(own)
    return Extent(total, lacking, longest, tuple(sorted(ids)))


def need_room(folder: Path, kept: Kept, tokens: int, lacking: int) -> None:
    """Say how much will be written, and refuse it where there is no room.

    Args:
        folder: where the files go.
        kept: where the work store's go.
        tokens: rows of the files.
        lacking: rows that the work store lacks.

    Raises:
        StorageError: one line with what is needed and what is free.
    """
    written, stored = tokens * kept.token_bytes, lacking * kept.token_bytes
    cli.say(f"embed: states of {tokens:,} tokens take {written / 1e9:,.3f} GB, {stored / 1e9:,.3f} GB to compute")
    places = {_existing(folder): written, _existing(kept.prompts.folder): stored}
    for place in places:
        needed = sum(size for other, size in places.items() if other.stat().st_dev == place.stat().st_dev)
        free = shutil.disk_usage(place).free
        if needed > free:
            message = f"llm.states {kept.config.states} needs {needed / 1e9:,.1f} GB on the disk of {place}"
            raise StorageError(f"{message}, which has {free / 1e9:,.1f} GB free: free some space, or take less")


def _existing(place: Path) -> Path:
    """The folder itself or the nearest above it that is there."""
    place = place.resolve()
    return next(folder for folder in (place, *place.parents) if folder.exists())


def _pack(source: Path, folder: Path, kept: Kept, alone: Sequence[str], *, lengths: Lengths, longest: int) -> None:
    """Write all files, prompts in the order of their computing: a chunk of the work store is read at a stretch."""
    with state_files(folder) as (temporary, index):
        writer = StatesWriter(temporary, kept.schema)
        for window in windows(source):
            writer.forget()
            prompts = ordered(window.distinct, lengths)
            for start in range(0, len(prompts), PART_PROMPTS):
                part = prompts[start : start + PART_PROMPTS]
                writer.part(part, _some(kept.prompts, part, longest))
            for shard in window.shards:
                index.write_table(writer.rows(shard.column(KEY).to_pylist(), shard.column("simple_prompt").to_pylist()))
        if alone:
            writer.alone(_some(kept.alone, alone, kept.token_bytes))


def _some(store: ResultStore, keys: Sequence[str], row_bytes: int) -> Iterator[pa.Table]:
    """Rows of these keys in their order, a record batch at a time.

    The store reads a chunk whole for each call that wants a row of it, so that a call is for several batches: about as
    many rows as a chunk has.
    """
    rows = max(1, BATCH_BYTES // row_bytes)
    calls = rows * (UNIT_BYTES // BATCH_BYTES)
    for start in range(0, len(keys), calls):
        found = store.take(keys[start : start + calls])
        yield from (found.slice(first, rows) for first in range(0, found.num_rows, rows))

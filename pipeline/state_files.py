"""Token states in Arrow IPC files: found by an index of samples, read through a memory map without a copy."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import tables
from pipeline.errors import InputError
from pipeline.files import atomic_folder
from pipeline.llm import ARROW, STATES, Dtype
from pipeline.tables import KEY, column

INDEX, ALONE = "index.arrow", "alone.arrow"
BATCH_BYTES = 64 * 2**20  # of a record batch: what writing holds in memory
Values = npt.NDArray[Any]


def part_schema(layers: int, width: int, dtype: Dtype, facts: Mapping[str, str]) -> pa.Schema:
    """Rows of a part: one a token.

    Args:
        layers: 0 for the states of one layer, else how many are kept of each token.
        width: numbers a state.
        dtype: of the numbers.
        facts: written into the file's metadata.
    """
    state = pa.list_(ARROW[dtype], width)
    kept = pa.list_(state, layers) if layers else state
    columns = [
        column("token", pa.int32(), "its id"),
        column("state", kept, "the residual stream, before the final norm"),
    ]
    return tables.schema(*columns).with_metadata({**facts, "dtype": dtype})


class StatesWriter:
    """The parts and the index of a folder that is being written."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._places: dict[str, tuple[str, int, int]] = {}
        self._parts = 0

    def forget(self) -> None:
        """Begin another window: its prompts are not looked for in earlier parts."""
        self._places = {}

    def part(self, prompts: Sequence[str], found: Iterator[pa.Table]) -> None:
        """Write the states of some prompts as one file.

        Args:
            prompts: which.
            found: their rows of the work store, in this order, some at a time: a record batch each.
        """
        name, first = f"part-{self._parts:05d}.arrow", 0
        self._parts += 1
        left = iter(prompts)
        with pa.ipc.new_file(self._folder / name, self._schema) as sink:
            for rows in found:
                for tokens in rows.column("tokens").to_pylist():
                    self._places[next(left)] = (name, first, len(tokens))
                    first += len(tokens)
                sink.write_batch(as_batch(rows, self._schema))

    def alone(self, found: Iterator[pa.Table]) -> None:
        """Write the states of tokens that were fed alone."""
        with pa.ipc.new_file(self._folder / ALONE, self._schema) as sink:
            for rows in found:
                sink.write_batch(as_batch(rows, self._schema))

    def rows(self, sample_ids: Sequence[str], prompts: Sequence[str]) -> pa.Table:
        """Rows of the index for samples whose prompts are written."""
        files, first, tokens = zip(*(self._places[prompt] for prompt in prompts), strict=True)
        return pa.Table.from_arrays(
            [pa.array(values) for values in (sample_ids, files, first, pa.array(tokens, pa.int32()))], schema=STATES
        )


def as_batch(rows: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    """Rows of the work store as a batch with one row a token; no number is copied but to lie side by side."""
    tokens = rows.column("tokens").combine_chunks().flatten()
    flat = rows.column("states").combine_chunks().flatten().flatten()
    kind = schema.field("state").type
    state = pa.FixedSizeListArray.from_arrays(flat, kind.value_type.list_size if _nested(kind) else kind.list_size)
    if _nested(kind):
        state = pa.FixedSizeListArray.from_arrays(state, kind.list_size)
    return pa.RecordBatch.from_arrays([tokens, state], schema=schema)


def _nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind.value_type))


@contextmanager
def state_files(folder: Path) -> Iterator[tuple[Path, pa.ipc.RecordBatchFileWriter]]:
    """Give a folder to write parts to and the index's writer; the folder appears whole when the block ends."""
    with atomic_folder(folder) as temporary, pa.ipc.new_file(temporary / INDEX, STATES) as index:
        yield temporary, index


def write_empty_states(folder: Path) -> None:
    """What is there when only pooled vectors are cached: an index without a row."""
    with state_files(folder) as (_, index):
        index.write_table(STATES.empty_table())


class _Mapped:
    """An Arrow IPC file, memory-mapped; rows are counted over all its batches."""

    def __init__(self, path: Path) -> None:
        try:
            self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
        except FileNotFoundError as error:
            raise InputError(f"{path} is missing: run dvc repro embed") from error
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} is no file of token states: {error}") from error
        self._batches = [self._reader.get_batch(number) for number in range(self._reader.num_record_batches)]
        self._ends = np.cumsum([len(batch) for batch in self._batches])

    def rows(self, first: int, count: int) -> pa.RecordBatch:
        """Rows side by side; the writer keeps a prompt's in one batch."""
        number = int(np.searchsorted(self._ends, first, side="right"))
        start = int(self._ends[number - 1]) if number else 0
        return self._batches[number].slice(first - start, count)

    @property
    def batches(self) -> Sequence[pa.RecordBatch]:
        return self._batches


class States:
    """Token states of all samples, memory-mapped: an array is read from the disk where it is looked at.

    Args:
        folder: ``data/embed/states``.

    Raises:
        InputError: there are none, or a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        index = _Mapped(folder / INDEX).batches
        self._index = pa.Table.from_batches(index, STATES)
        if not self._index.num_rows:
            raise InputError(f"{folder} holds no token states: set llm.states to tokens or blocks, run dvc repro embed")
        self._parts: dict[str, _Mapped] = {}

    def of(self, sample_id: str) -> Values:
        """States of a sample's own tokens: (T, d), or (T, blocks + 1, d) with what enters the first block.

        Float16 or float32, read-only, no copy.

        Raises:
            InputError: the sample is not there.
        """
        return _values(self._rows(sample_id))

    @property
    def first(self) -> str:
        """The first sample."""
        found: str = self._index.column(KEY)[0].as_py()
        return found

    def tokens(self, sample_id: str) -> npt.NDArray[np.int32]:
        """Ids of a sample's own tokens, (T,)."""
        found: npt.NDArray[np.int32] = self._rows(sample_id).column("token").to_numpy()
        return found

    def alone(self, token: int) -> Values:
        """States of a token that was fed alone: (blocks + 1, d).

        Raises:
            InputError: ``llm.states`` is not blocks, or no prompt has the token.
        """
        for batch in self._part(ALONE).batches:
            place = int(np.searchsorted(batch.column("token").to_numpy(), token))
            if place < len(batch) and batch.column("token")[place].as_py() == token:
                found: Values = _values(batch.slice(place, 1))[0]
                return found
        raise InputError(f"{self._folder / ALONE} lacks token {token}: run dvc repro embed")

    def facts(self, sample_id: str) -> dict[str, str]:
        """How a sample's states were made."""
        told = self._rows(sample_id).schema.metadata or {}
        return {key.decode(): value.decode() for key, value in told.items()}

    def _rows(self, sample_id: str) -> pa.RecordBatch:
        ids = self._index.column(KEY)
        place = bisect_left(range(len(ids)), sample_id, key=lambda row: ids[row].as_py())
        if place == len(ids) or ids[place].as_py() != sample_id:
            raise InputError(f"{self._folder / INDEX} lacks the sample {sample_id}: run dvc repro embed")
        row = {name: self._index.column(name)[place].as_py() for name in ("file", "row", "tokens")}
        return self._part(row["file"]).rows(row["row"], row["tokens"])

    def _part(self, name: str) -> _Mapped:
        if name not in self._parts:
            self._parts[name] = _Mapped(self._folder / name)
        return self._parts[name]


def _values(rows: pa.RecordBatch) -> Values:
    state = rows.column("state")
    shape, kind = [len(rows)], state.type
    while pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        state, kind = state.flatten(), kind.value_type
    found: Values = state.to_numpy(zero_copy_only=True).reshape(shape)
    return found

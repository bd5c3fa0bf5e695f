"""The work store of the LLM's vectors: whatever layers were computed together, a vector is found by layer and prompt.

Underneath lies one :class:`pipeline.work.ResultStore` for each set of layers that went through the LLM together, with a
column a layer, of which few are read at a time. A file for each layer and unit instead would be forty times as many.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import tables, work
from pipeline.files import read_json
from pipeline.work import ResultStore

STAGE = "embed"
Layers = tuple[int, ...]
Columns = Callable[[Sequence[int]], pa.Schema]


class LayerStore:
    """Vectors of all layers under one set of result-changing settings, which layers are asked for not among them.

    Args:
        settings: everything else that changes a vector: model, revision, dtype, pooling.
        columns: a result's columns for some layers: ``layer_<k>`` and what each row has once.
        code: modules that compute the rows: an edit in one of them starts other stores.
    """

    def __init__(self, settings: Mapping[str, Any], columns: Columns, *, code: Sequence[ModuleType] = ()) -> None:
        self._settings = {**settings, "code": work.digests(code)}
        self._columns = columns
        self._sets: dict[Layers, ResultStore] = {}
        self._find()

    def _find(self) -> None:
        """Open the stores of all sets of layers, those of other processes too."""
        for path in sorted((work.root() / STAGE).glob("*/settings.json")):
            told = read_json(path)
            layers = tuple(told.pop("layers", ()))
            if layers and told == self._settings:
                self._open(layers)

    def _open(self, layers: Layers) -> ResultStore:
        if layers not in self._sets:
            settings = {**self._settings, "layers": layers}
            self._sets[layers] = ResultStore(STAGE, settings, self._columns(layers))
            self._sets = dict(sorted(self._sets.items()))  # the order in which a vector is looked for
        return self._sets[layers]

    def lacking(self, keys: Sequence[str], layers: Layers) -> dict[str, Layers]:
        """Of those keys whose rows are not complete, each once and in their order: the layers that they lack."""
        left = dict.fromkeys(keys, layers)
        for held, store in self._sets.items():
            absent = set(store.missing(list(left)))
            less = {some: tuple(layer for layer in some if layer not in held) for some in set(left.values())}
            left = {key: some if key in absent else less[some] for key, some in left.items()}
        return {key: some for key, some in left.items() if some}

    def only(self, layers: Layers, asked: Layers) -> "OneSet":
        """Where rows go that lack exactly these layers of those that are asked for."""
        return OneSet(self, self._open(layers), layers, asked)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time; whoever waited sees what the other wrote."""
        self._find()
        with ExitStack() as stack:
            for store in self._sets.values():  # all processes in one order
                stack.enter_context(store.locked())
            yield

    def take(self, keys: Sequence[str], layers: Layers) -> pa.Table:
        """The rows of these keys, in this order: what each row has once, and a column for each layer.

        Ask for few layers at a time: all are in memory together.

        Raises:
            KeyError: a key is missing in one of the layers.
        """
        first, *more = (self._take(keys, some) for some in self._together(keys, layers))
        for rows in more:
            for name in set(rows.column_names) - set(first.column_names):
                first = first.append_column(rows.schema.field(name), rows.column(name))
        return tables.check(first, self._columns(layers))

    def _together(self, keys: Sequence[str], layers: Layers) -> list[Layers]:
        """The layers, those side by side where one set has them for all keys."""
        for held, store in self._sets.items():
            if set(layers) <= set(held) and not store.missing(keys):
                return [layers]
        return [(layer,) for layer in layers]

    def _take(self, keys: Sequence[str], layers: Layers) -> pa.Table:
        columns = self._columns(layers)
        parts, order = [columns.empty_table()], list[int]()
        left = list(range(len(keys)))
        for held, store in self._sets.items():
            if set(layers) <= set(held) and left:
                absent = set(store.missing([keys[row] for row in left]))
                mine = [row for row in left if keys[row] not in absent]
                parts.append(store.take([keys[row] for row in mine], columns))
                order += mine
                left = [row for row in left if keys[row] in absent]
        if left:
            raise KeyError(keys[left[0]])
        return pa.concat_tables(parts).take(pa.array(np.argsort(np.array(order, np.int64))))


class OneSet:
    """A :class:`pipeline.operating.Store` for the keys that lack exactly one set of layers."""

    def __init__(self, whole: LayerStore, store: ResultStore, layers: Layers, asked: Layers) -> None:
        self._whole, self._store = whole, store
        self._layers, self._asked = layers, asked

    @property
    def writer(self) -> Callable[[pa.Table], str]:
        """Writes rows whole or not at all; can be sent to another process."""
        return self._store.writer

    def locked(self) -> Any:
        """One run at a time; whoever waited sees what the other wrote."""
        return self._whole.locked()

    def missing(self, keys: Sequence[str]) -> list[str]:
        """Those keys, each once and in their order, that lack these layers and no other."""
        return [key for key, lacks in self._whole.lacking(keys, self._asked).items() if lacks == self._layers]

    def note(self, written: str) -> None:
        """Take in what the writer wrote."""
        self._store.note(written)

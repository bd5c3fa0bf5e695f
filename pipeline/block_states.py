"""Block states for the LLMDiff-Adapter: of samples from the files of stage ``embed``, of any text from the LLM.

Both give the same numbers for the same prompt and settings: one pass, and one number format that it is rounded to.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch

from pipeline import tables, token_states
from pipeline.adapters.llmdiff import Blocks
from pipeline.errors import InputError
from pipeline.llm import LlmParams
from pipeline.llm_loading import load_decoder, load_tokens
from pipeline.operating import Asked, BatchSize
from pipeline.state_files import States, Values
from pipeline.tables import column
from pipeline.token_states import StateEncoder
from pipeline.work import ROW_KEY


class Read(NamedTuple):
    """A prompt's states, each (tokens, blocks + 1, width)."""

    context: Values
    alone: Values


def joined(prompts: Sequence[Read]) -> Blocks:
    """Prompts as one batch, filled up to the longest, in the number format that they are stored in."""
    lengths = [len(each.context) for each in prompts]
    size = (len(prompts), max(lengths), *prompts[0].context.shape[1:])
    dtype = np.result_type(*(each.context for each in prompts))
    context, alone = (np.zeros(size, dtype) for _ in Read._fields)
    for row, each in enumerate(prompts):
        context[row, : lengths[row]], alone[row, : lengths[row]] = each
    own = torch.arange(size[1]).unsqueeze(0) < torch.tensor(lengths).unsqueeze(1)
    return Blocks(torch.from_numpy(context), torch.from_numpy(alone), own)


def result(config: LlmParams, layer: int, width: int) -> pa.Schema:
    """What the operator gives for each text: the states of its tokens in context, and of each fed alone."""
    columns = token_states.result(config, layer, width)
    alone = column("alone", columns.field("states").type, "the states of the same tokens, each fed alone")
    return tables.schema(*columns, alone)


class SampleStates:
    """Block states of a data set's samples, memory-mapped: only what is asked for is read.

    Args:
        states: files of stage ``embed`` with ``llm.states: blocks``.
        limit: tokens of a prompt that are read.

    Raises:
        InputError: the states are of one layer alone.
    """

    def __init__(self, states: States, *, limit: int) -> None:
        shape = states.of(states.first).shape
        if len(shape) != 3:
            raise InputError("data/embed/states hold one layer: set llm.states to blocks, run dvc repro embed")
        self.blocks, self.width = shape[1] - 1, shape[2]
        self.facts = {**states.facts(states.first), "blocks": str(self.blocks)}
        self._states, self._limit = states, limit
        self._alone = functools.cache(states.alone)  # views into the mapped file

    def of(self, sample_id: str) -> Read:
        """One sample's.

        Raises:
            InputError: it is not there.
        """
        context = self._states.of(sample_id)[: self._limit]
        tokens = self._states.tokens(sample_id)[: self._limit].tolist()
        return Read(context, np.stack([self._alone(token) for token in tokens]))

    def batch(self, sample_ids: Sequence[str | None]) -> Blocks:
        """Several, side by side; None is the empty text."""
        zeros = np.zeros((1, self.blocks + 1, self.width), np.float16)
        return joined([Read(zeros, zeros) if sample_id is None else self.of(sample_id) for sample_id in sample_ids])


class TextEncoder:
    """An operator: a table whose ``key`` is a text in, ``key`` and :func:`result` out.

    Each text has a pass of its own and its tokens another: its numbers depend on no other text.

    Args:
        prompts: gives the states of texts.
        tokens: gives those of token ids, each fed alone.
    """

    def __init__(self, prompts: StateEncoder, tokens: StateEncoder) -> None:
        self._prompts, self._tokens = prompts, tokens

    def __call__(self, table: pa.Table) -> pa.Table:
        """The states of some texts."""
        return pa.concat_tables([self._row(text) for text in table.column(ROW_KEY).to_pylist()])

    def _row(self, text: str) -> pa.Table:
        found = self._prompts(pa.table({ROW_KEY: [text]}))
        ids = found.column("tokens")[0].as_py()
        alone = self._tokens(pa.table({ROW_KEY: [str(token) for token in ids]})).column("states")
        row = pa.ListArray.from_arrays([0, len(ids)], alone.combine_chunks().flatten())
        return found.append_column("alone", row)


def load(config: LlmParams, layer: int, *, device: str, batch: Asked, device_map: str | None = None) -> TextEncoder:
    """Load the LLM, once for both passes; arguments as :func:`pipeline.layer_encoder.load_encoder`.

    Raises:
        ModelError: the model cannot be loaded.
    """
    decoder, tokens = load_decoder(config, layer, device=device, device_map=device_map), load_tokens(config)
    encoder = functools.partial(
        StateEncoder, decoder, tokens, config, layer, BatchSize(batch, device, "compute.llm_batch")
    )
    return TextEncoder(encoder(fed="prompt"), encoder(fed="token"))

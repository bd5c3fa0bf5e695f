"""Block states for the LLMDiff-Adapter: of samples from the files of stage ``embed``, of any text from the LLM.

Both give the same numbers for the same prompt and settings: one pass, and one number format that it is rounded to.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch

from pipeline.adapters.llmdiff import Blocks, empty
from pipeline.errors import InputError, ModelError
from pipeline.llm import LlmParams, shape, states_layer
from pipeline.llm_loading import load_decoder, load_tokens
from pipeline.operating import Asked, BatchSize
from pipeline.state_files import States, Values
from pipeline.token_states import Fed, StateEncoder
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


class PromptStates:
    """Block states of any text: two passes through the LLM, in context and each token alone.

    Args:
        prompts: gives the states of texts.
        tokens: gives those of token ids, each fed alone.
        blocks: of the LLM, as deep as states are kept.
        width: of its residual stream.
    """

    def __init__(self, prompts: StateEncoder, tokens: StateEncoder, *, blocks: int, width: int) -> None:
        self.blocks, self.width = blocks, width
        self._prompts, self._tokens = prompts, tokens

    def of(self, text: str) -> Blocks:
        """One text as a batch of one; the empty text needs no pass."""
        if not text.strip():
            return empty(1, self.blocks, self.width)
        found = self._prompts(pa.table({ROW_KEY: [text]}))
        ids = found.column("tokens")[0].as_py()
        alone = self._tokens(pa.table({ROW_KEY: [str(token) for token in ids]}))
        return joined([Read(self._values(found), self._values(alone))])

    def _values(self, found: pa.Table) -> Values:
        flat = found.column("states").combine_chunks().flatten().flatten().to_numpy(zero_copy_only=True)
        values: Values = flat.reshape(-1, self.blocks + 1, self.width)
        return values


def load(config: LlmParams, *, device: str, batch: Asked, device_map: str | None = None) -> PromptStates:
    """Load the LLM once for both passes.

    Args:
        config: section ``llm``: which model, and what its states are rounded to.
        device: of torch.
        batch: prompts a pass at most (``compute.llm_batch``).
        device_map: ``auto`` spreads the model over all devices.

    Raises:
        ModelError: the model cannot be loaded, does not tell its sizes, or has fewer blocks.
    """
    sizes = shape(config.model, config.revision)
    if sizes is None:
        raise ModelError(f"model {config.model}: its config.json cannot be reached from here")
    if states_layer(config, sizes.layers) > sizes.layers:
        raise ModelError(f"model {config.model} has {sizes.layers} blocks, {config.states_layer} are asked for")
    blocks = states_layer(config, sizes.layers)
    decoder = load_decoder(config, blocks, device=device, device_map=device_map)
    tokens = load_tokens(config)

    def encoder(fed: Fed) -> StateEncoder:
        return StateEncoder(decoder, tokens, config, blocks, BatchSize(batch, device, "compute.llm_batch"), fed=fed)

    return PromptStates(encoder("prompt"), encoder("token"), blocks=blocks, width=sizes.width)

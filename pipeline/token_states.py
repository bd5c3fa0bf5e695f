"""The LLM's states token by token: after one layer (LLM4GEN), or before and after each block (LLMDiff-Adapter)."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
import pyarrow as pa
import torch

from pipeline import tables
from pipeline.decoder import Decoder, same_length
from pipeline.layer_encoder import refuse_overflow
from pipeline.llm import ARROW, Floats, LlmParams
from pipeline.llm_loading import load_decoder, load_tokens
from pipeline.operating import Asked, BatchSize
from pipeline.prompt_tokens import PromptTokens
from pipeline.tables import column
from pipeline.work import ROW_KEY

Fed = Literal["prompt", "token"]


def numbers(config: LlmParams, layer: int, width: int) -> int:
    """Numbers that are kept for a token."""
    return width * len(looked_at(config, layer))


def looked_at(config: LlmParams, layer: int) -> tuple[int, ...]:
    """The layers whose states are kept; 0 is what enters the first block."""
    return (layer,) if config.states == "tokens" else tuple(range(layer + 1))


def result(config: LlmParams, layer: int, width: int) -> pa.Schema:
    """What the operator gives for each prompt or token."""
    state = pa.list_(ARROW[config.store_dtype], numbers(config, layer, width))
    return tables.schema(
        column("tokens", pa.list_(pa.int32()), "ids of the prompt's own tokens"),
        column("states", pa.list_(state), "for each of them the states of the layers, one after the other"),
    )


def load_states(
    config: LlmParams, layer: int, fed: Fed, *, device: str, batch: Asked, device_map: str | None = None
) -> "StateEncoder":
    """Load the LLM as deep as the states need; arguments as :func:`pipeline.layer_encoder.load_encoder`.

    Raises:
        ModelError: the model cannot be loaded.
    """
    decoder = load_decoder(config, layer, device=device, device_map=device_map)
    return StateEncoder(
        decoder, load_tokens(config), config, layer, BatchSize(batch, device, "compute.llm_batch"), fed=fed
    )


class StateEncoder:
    """An operator: a table whose ``key`` is a prompt's text or a token's id in, ``key`` and :func:`result` out.

    Args:
        decoder: the LLM.
        tokens: its tokenizer.
        config: which states, and their dtype.
        layer: the deepest layer, counted from 1.
        size: prompts a pass at most.
        fed: ``prompt``: keys are texts; ``token``: keys are ids, each fed alone behind the start token.
    """

    def __init__(
        self, decoder: Decoder, tokens: PromptTokens, config: LlmParams, layer: int, size: BatchSize, *, fed: Fed
    ) -> None:
        self._decoder, self._tokens, self._config, self._size = decoder, tokens, config, size
        self._layers = looked_at(config, layer)
        self._fed = fed

    def __call__(self, table: pa.Table) -> pa.Table:
        """The states of some prompts or tokens."""
        keys = table.column(ROW_KEY).to_pylist()
        read = self._tokens.ids(keys) if self._fed == "prompt" else [self._tokens.alone(int(key)) for key in keys]
        states = self._size.attempt(lambda batch: self._in(batch, read))
        own = [tokens[self._first(len(tokens)) :] for tokens in read]
        kept = pa.array(own, pa.list_(pa.int32()))
        flat = pa.array(np.concatenate(states).reshape(-1))
        rows = pa.FixedSizeListArray.from_arrays(flat, states[0].shape[1])
        columns = [table.column(ROW_KEY), kept, pa.ListArray.from_arrays(kept.offsets, rows)]
        return pa.table(columns, names=[ROW_KEY, "tokens", "states"])

    def _first(self, length: int) -> int:
        return length - 1 if self._fed == "token" else self._tokens.first(length)

    def _in(self, batch: int, read: Sequence[Sequence[int]]) -> list[Floats]:
        """Each prompt's states, (own tokens, layers x d) in the dtype that is stored."""
        found: dict[int, Floats] = {}
        for group in same_length(read, batch):
            for row, states in zip(group, self._states([read[row] for row in group]), strict=True):
                found[row] = states
        return [found[row] for row in range(len(read))]

    def _states(self, tokens: Sequence[Sequence[int]]) -> Floats:
        """One pass over prompts of one length: (B, own tokens, layers x d)."""
        kept: dict[int, Floats] = {}
        first = self._first(len(tokens[0]))
        self._decoder.run(tokens, {layer: partial(self._keep, kept, layer, first) for layer in self._layers})
        stacked = np.stack([kept[layer] for layer in self._layers], axis=2)  # (B, T, layers, d)
        return stacked.reshape(*stacked.shape[:2], -1)

    def _keep(self, kept: dict[int, Floats], layer: int, first: int, states: torch.Tensor) -> None:
        """Off the device at once: states of all blocks at a time would fill it."""
        own = states[:, first:].float().cpu().numpy()  # (B, T, d)
        refuse_overflow(own, f"layer {layer}", self._config)
        kept[layer] = own.astype(self._config.store_dtype)

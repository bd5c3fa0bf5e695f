"""The LLM's states of prompts that pictures are made of, for adapters that read each prompt with the LLM.

They are kept in the work store of stage ``embed``: a prompt that was ever read by the same LLM, in the same way, is not
read again. The LLM is gone before the diffusion model is loaded.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import torch

from pipeline import operating
from pipeline.adapters.config import AdapterConfig, OfficialConfig, StatesNamed
from pipeline.errors import ModelError
from pipeline.llm import LlmParams, shape
from pipeline.operating import Operator, Runner, Work
from pipeline.padded_states import padded
from pipeline.state_packing import Kept
from pipeline.work import ROW_KEY, ResultStore

PROMPTS_A_CHUNK = 64


def settings(named: StatesNamed) -> LlmParams:
    """How the LLM is run for the states that an adapter was trained on."""
    return LlmParams(
        **named.model_dump(exclude={"layer"}),
        layer=named.layer,
        layers="all",
        final_norm=False,
        states="tokens",
        states_layer=named.layer,
    )


def named(config: LlmParams, layer: int) -> StatesNamed:
    """What an adapter says of the states that it was trained on.

    Args:
        config: section ``llm``.
        layer: of the states, counted from 1.
    """
    kept = StatesNamed.model_fields.keys() - {"layer"}
    return StatesNamed(**config.model_dump(include=kept), layer=layer)


class PromptStates:
    """States of texts, read from the work store; can be sent to another process.

    Args:
        store: where they are kept.
        tokens: the length that they are padded to or cut at.
        width: of a state.
    """

    def __init__(self, store: ResultStore, tokens: int, width: int) -> None:
        self._store, self._tokens, self._width = store, tokens, width

    def __call__(self, text: str) -> torch.Tensor:
        """(1, tokens, width) float32; padding alone for the empty text, which has no token of its own (ADR 0024)."""
        if not text:
            return padded([None], self._tokens, self._width)
        states = self._store.take([text]).column("states").combine_chunks().flatten().flatten()
        own = states.to_numpy(zero_copy_only=False).reshape(-1, self._width).astype(np.float32)
        return padded([own], self._tokens, self._width)


def read(
    config: AdapterConfig | OfficialConfig,
    texts: Sequence[str],
    *,
    build: Callable[[LlmParams], Operator],
    run: Runner = operating.local,
) -> PromptStates | None:
    """Have the LLM read what the work store lacks; None for an adapter that needs no LLM.

    Args:
        config: of the adapter's folder: it names the LLM, the layer and the number format.
        texts: prompts, negative ones too.
        build: loads the LLM; called only where a text is missing.
        run: where.

    Raises:
        ModelError: the LLM cannot be reached, or is not as wide or deep as the adapter's.
    """
    if not isinstance(config.llm, StatesNamed):
        return None
    asked, sizes = settings(config.llm), shape(config.llm.model, config.llm.revision)
    if sizes is None:
        raise ModelError(f"model {config.llm.model} cannot be reached, and the adapter reads each prompt with it")
    if (sizes.width, True) != (config.llm_width, config.llm.layer <= sizes.layers):
        raise ModelError(
            f"the adapter takes states of layer {config.llm.layer} and width {config.llm_width}, "
            f"{config.llm.model} has {sizes.layers} layers of width {sizes.width}: it is another LLM"
        )
    store = Kept(asked, config.llm.layer, sizes.width).prompts
    own = [text for text in dict.fromkeys(texts) if text]
    work = Work("prompts", partial(build, asked), operating.as_they_are, PROMPTS_A_CHUNK)
    run(work, pa.table({ROW_KEY: pa.array(own, pa.string())}), store)
    return PromptStates(store, config.adapter.llm4gen.tokens, sizes.width)

"""The LLM's states of prompts that pictures are made of, for adapters that read each prompt with the LLM.

They are kept in the work store of stage ``embed``: a prompt that was ever read by the same LLM, in the same way, is not
read again. Stage ``sample`` has all prompts read first: the LLM is gone before the diffusion model is loaded.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import torch

from pipeline import block_states, engine, operating
from pipeline.adapters.config import AdapterConfig, LlmRead, OfficialConfig, StatesNamed
from pipeline.adapters.llmdiff import Blocks, empty
from pipeline.block_states import Read, joined
from pipeline.engine import ComputeParams
from pipeline.errors import ModelError
from pipeline.llm import LlmParams, shape
from pipeline.operating import Operator, Runner, Work
from pipeline.padded_states import padded
from pipeline.state_files import Values
from pipeline.state_packing import CODE, Kept
from pipeline.token_states import load_states
from pipeline.work import ROW_KEY, ResultStore

PROMPTS_A_CHUNK = {"tokens": 64, "blocks": 1}
"""Prompts that are kept together and read from the disk together; of all blocks a prompt takes megabytes."""


def settings(named: LlmRead) -> LlmParams:
    """How the LLM is run for the states that an adapter was trained on: of one layer, or of all blocks up to it."""
    of_layer = isinstance(named, StatesNamed)
    return LlmParams(
        **{"pool_bos": False} | named.model_dump(),
        layers="all",
        final_norm=False,
        states="tokens" if of_layer else "blocks",
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


def load(compute: ComputeParams, config: LlmParams) -> Operator:
    """Loads the LLM for such states.

    Args:
        compute: where it runs.
        config: from :func:`settings`.
    """
    make: Callable[..., Operator] = partial(load_states, fed="prompt")
    if config.states == "blocks":
        make = block_states.load
    device, spread = engine.device(compute), compute.llm_device_map
    return make(config, config.layer, device=device, batch=compute.llm_batch, device_map=spread)


class PromptStates:
    """States of texts, from the work store; what that lacks is read on demand. Can be sent to another process.

    Args:
        store: where they are kept.
        work: how the LLM reads.
        form: makes of a row, or of the empty text, what the adapter takes.
    """

    def __init__(
        self, store: ResultStore, work: Work, form: Callable[[pa.Table | None], torch.Tensor | Blocks]
    ) -> None:
        self._store, self._work, self._form = store, work, form

    def __call__(self, text: str) -> torch.Tensor | Blocks:
        """A batch of one; the empty text has no token of its own, so that no LLM is asked for it (ADR 0024, 0026)."""
        if not text.strip():
            return self._form(None)
        if self._store.missing([text]):
            self.read([text], operating.local)
        return self._form(self._store.take([text]))

    def read(self, texts: Sequence[str], run: Runner) -> None:
        """Have the LLM read what the work store lacks; it is loaded only where something is missing."""
        own = [text for text in dict.fromkeys(texts) if text.strip()]
        run(self._work, pa.table({ROW_KEY: pa.array(own, pa.string())}), self._store)


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
        texts: prompts, negative ones too, that are read at once; others are when they are asked for.
        build: loads the LLM, as :func:`load`; called only where a text is missing.
        run: where.

    Raises:
        ModelError: the LLM cannot be reached, or is not as wide or deep as the adapter's.
    """
    if not isinstance(config.llm, LlmRead):
        return None
    asked, width = settings(config.llm), _width(config, config.llm)
    work = Work("prompts", partial(build, asked), operating.as_they_are, PROMPTS_A_CHUNK[asked.states])
    form: Callable[[pa.Table | None], torch.Tensor | Blocks] = partial(_padded, config.adapter.llm4gen.tokens, width)
    if asked.states == "blocks":
        form = partial(_blocks, asked.layer, width)
    states = PromptStates(_store(asked, width), work, form)
    states.read(texts, run)
    return states


def _width(config: AdapterConfig, llm: LlmRead) -> int:
    """Of the LLM's states, which are as the adapter takes them."""
    sizes = shape(llm.model, llm.revision)
    if sizes is None:
        raise ModelError(f"model {llm.model} cannot be reached, and the adapter reads each prompt with it")
    if (sizes.width, True) != (config.llm_width, llm.layer <= sizes.layers):
        raise ModelError(
            f"the adapter takes states of layer {llm.layer} and width {config.llm_width}, "
            f"{llm.model} has {sizes.layers} layers of width {sizes.width}: it is another LLM"
        )
    return sizes.width


def _store(asked: LlmParams, width: int) -> ResultStore:
    """States of one layer are stage ``embed``'s own; of all blocks a text's and its tokens' lie in one row."""
    if asked.states == "tokens":
        return Kept(asked, asked.layer, width).prompts
    decisive = asked.model_dump(exclude={"layer", "layers", "final_norm"}) | {"fed": "prompt and its tokens"}
    return ResultStore("embed", decisive, block_states.result(asked, asked.layer, width), code=(block_states, *CODE))


def _padded(tokens: int, width: int, row: pa.Table | None) -> torch.Tensor:
    """What kind llm4gen takes: (1, tokens, width) float32, zeros behind the prompt's own."""
    return padded([None if row is None else _values(row, "states", width).astype(np.float32)], tokens, width)


def _blocks(blocks: int, width: int, row: pa.Table | None) -> Blocks:
    """What kind llmdiff takes."""
    if row is None:
        return empty(1, blocks, width)
    return joined([Read(*(_values(row, name, blocks + 1, width) for name in ("states", "alone")))])


def _values(row: pa.Table, name: str, *shape: int) -> Values:
    flat = row.column(name).combine_chunks().flatten().flatten()
    values: Values = flat.to_numpy(zero_copy_only=False).reshape(-1, *shape)
    return values

"""The LLM behind a loaded adapter: kinds that read its states for every text are told here where to get them."""

import functools

from pipeline import block_states
from pipeline.adapters.config import AdapterConfig, LlmRead, OfficialConfig, name_of
from pipeline.adapters.kinds import Adapter
from pipeline.adapters.llmdiff import Blocks, LlmDiffAdapter
from pipeline.block_states import PromptStates
from pipeline.errors import ModelError
from pipeline.llm import LlmParams
from pipeline.operating import Asked

BATCH = 64  # tokens of a prompt that go through the LLM together, each alone


def listen(
    adapter: Adapter,
    config: AdapterConfig | OfficialConfig,
    *,
    device: str,
    batch: Asked = BATCH,
    device_map: str | None = None,
) -> Adapter:
    """Let an adapter read texts through the LLM that its folder names, as its training read them.

    The LLM is loaded when the first text is asked for: base pictures need none.

    Args:
        adapter: as loaded.
        config: its folder's.
        device: where the LLM goes.
        batch: ``compute.llm_batch``.
        device_map: ``compute.llm_device_map``.

    Raises:
        ModelError: when a text is asked for: the LLM cannot be loaded, or is not the one of the training.
    """
    if isinstance(adapter, LlmDiffAdapter) and isinstance(config.llm, LlmRead):
        named = config.llm
        load = functools.cache(lambda: _loaded(adapter, named, device=device, batch=batch, device_map=device_map))

        def read(text: str) -> Blocks:
            return load().of(text)

        adapter.read = read
    return adapter


def _loaded(
    adapter: LlmDiffAdapter, named: LlmRead, *, device: str, batch: Asked, device_map: str | None
) -> PromptStates:
    found = block_states.load(settings(named), device=device, batch=batch, device_map=device_map)
    wanted, given = (adapter.blocks, adapter.llm_width), (found.blocks, found.width)
    if wanted != given:
        blocks, width = given
        raise ModelError(
            f"the adapter reads {adapter.blocks} blocks of width {adapter.llm_width}, "
            f"{name_of(named)} has {blocks} of width {width}"
        )
    return found


def settings(named: LlmRead) -> LlmParams:
    """Section ``llm`` as the states of the training were made with it."""
    return LlmParams(
        model=named.model,
        revision=named.revision,
        layer=1,
        layers="all",
        dtype=named.dtype,
        quantisation=named.quantisation,
        store_dtype=named.store_dtype,
        final_norm=False,
        pool_bos=False,
        states="blocks",
        states_layer=named.layer,
    )

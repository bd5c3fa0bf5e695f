"""Loading the LLM: no head, no block above the deepest layer, on one device or spread over several, in 8 or 4 bits."""

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pipeline.decoder import Decoder
from pipeline.errors import ModelError
from pipeline.llm import LlmParams
from pipeline.pretrained import opening, quiet_transformers
from pipeline.prompt_tokens import PromptTokens


def load_tokens(config: LlmParams) -> PromptTokens:
    """The LLM's tokenizer.

    Raises:
        ModelError: it cannot be loaded.
    """
    quiet_transformers()
    from transformers import AutoTokenizer

    with opening(config.model, config.revision) as (name, revision):
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    return PromptTokens(tokenizer, pool_bos=config.pool_bos)


def load_decoder(config: LlmParams, deepest: int, *, device: str, device_map: str | None = None) -> Decoder:
    """The LLM without its language-model head and without the blocks above a layer: their weights are never read.

    Args:
        config: model, revision, dtype, quantisation.
        deepest: the last layer that is needed, counted from 1.
        device: of torch; the first of several where ``device_map`` is given.
        device_map: ``auto`` spreads the model over all devices (compute.llm_device_map).

    Raises:
        ModelError: the model cannot be loaded, lacks weights, or needs what this machine lacks.
    """
    quiet_transformers()
    from transformers import AutoConfig, AutoModel

    placement: dict[str, Any] = {"device_map": device_map or {"": device}}
    if config.quantisation != "none":
        placement["quantization_config"] = _quantised(config, device)
    with opening(config.model, config.revision) as (name, revision):
        shape = AutoConfig.from_pretrained(name, revision=revision)
        shallow(shape, deepest)
        with _without_report():
            model, found = AutoModel.from_pretrained(
                name,
                revision=revision,
                config=shape,
                dtype=getattr(torch, config.dtype),
                output_loading_info=True,
                **placement,
            )
        if missing := sorted(found["missing_keys"]):
            raise ValueError(f"it lacks {len(missing)} weights, first {missing[0]}")
    return Decoder(model, deepest)


def shallow(shape: Any, deepest: int) -> None:
    """Shorten a model's configuration to so many layers."""
    shape.num_hidden_layers = min(deepest, shape.num_hidden_layers)
    if kinds := getattr(shape, "layer_types", None):  # Qwen, Gemma: which block attends how
        shape.layer_types = kinds[: shape.num_hidden_layers]


def _quantised(config: LlmParams, device: str) -> Any:
    wanted = f"llm.quantisation {config.quantisation}"
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(f"{wanted} needs bitsandbytes: pip install .[quantised] -c constraints.txt")
    if not device.startswith("cuda"):
        raise ModelError(f"{wanted} needs a CUDA GPU, compute.device gives {device}: take none")
    from transformers import BitsAndBytesConfig

    if config.quantisation == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=getattr(torch, config.dtype)
    )


@contextmanager
def _without_report() -> Iterator[None]:
    """Transformers warns of weights that are left in the file, which is what is meant here; missing ones are told."""
    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(_no_report)
    try:
        yield
    finally:
        logger.removeFilter(_no_report)


def _no_report(record: logging.LogRecord) -> bool:
    return "LOAD REPORT" not in record.getMessage()

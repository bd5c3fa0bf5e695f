"""The vectors that probes read, through the stages' own code: the LLM's layers, and the diffusion model's text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miniature.truth.probes import Encode
from pipeline import diffusion, engine, layer_encoder, llm
from pipeline.diffusion import Diffusion, DiffusionParams
from pipeline.engine import ComputeParams
from pipeline.errors import ModelError
from pipeline.llm import LlmParams

TEXT = "text encoder"
BATCH = 64


def llm_layers(config: LlmParams, compute: ComputeParams) -> Encode:
    """All layers of the LLM in one pass, pooled as the stage ``embed`` does, whatever ``llm.layers`` caches.

    Raises:
        ModelError: the LLM cannot be loaded.
    """
    sizes = llm.shape(config.model, config.revision)
    if sizes is None:
        raise ModelError(f"model {config.model} cannot be reached: fetch it first, or name a folder as llm.model")
    layers = range(1, sizes.layers + 1)
    where, spread = engine.device(compute), compute.llm_device_map
    encoder = layer_encoder.load_encoder(config, layers, device=where, batch=compute.llm_batch, device_map=spread)

    def encode(texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        return {str(layer): vectors for layer, vectors in encoder.encode(texts).items()}

    return encode


def text_encoder(config: DiffusionParams, compute: ComputeParams) -> Encode:
    """The frozen text states x = f_En(p), mean over the prompt's own tokens, without start, end and padding.

    Raises:
        ModelError: the base model cannot be loaded.
    """
    import torch

    base = diffusion.load(
        config.model, config.revision, device=engine.device(compute), dtype=getattr(torch, config.dtype)
    )

    def encode(texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        parts = [pooled(base, texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return {TEXT: np.concatenate(parts)}

    return encode


def pooled(base: Diffusion, texts: Sequence[str]) -> NDArray[Any]:
    """Mean text state over each prompt's own tokens: (n, width) float32."""
    states = base.text_states(texts).states.float()  # (n, tokens, width)
    own = base.own_tokens(texts).unsqueeze(-1)  # (n, tokens, 1)
    means = (states * own).sum(dim=1) / own.sum(dim=1).clamp(min=1)
    vectors: NDArray[Any] = means.cpu().numpy()
    return vectors

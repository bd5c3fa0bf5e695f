"""The LLM at work: one forward pass gives the mean-pooled vectors of all requested layers."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import torch

from pipeline import tables
from pipeline.decoder import Decoder, same_length
from pipeline.errors import ModelError
from pipeline.llm import ARROW, Dtype, Floats, LlmParams
from pipeline.llm_loading import load_decoder, load_tokens
from pipeline.operating import Asked, BatchSize
from pipeline.prompt_tokens import PromptTokens
from pipeline.tables import column
from pipeline.work import ROW_KEY


def result(layers: Sequence[int], width: int, dtype: Dtype) -> pa.Schema:
    """What the operator gives for each prompt: a column ``layer_<k>`` with ``width`` numbers for each layer."""
    vectors = [column(f"layer_{layer}", pa.list_(ARROW[dtype], width), "mean-pooled") for layer in layers]
    return tables.schema(column("tokens", pa.int32(), "the prompt's own tokens"), *vectors)


def load_encoder(
    config: LlmParams, layers: Sequence[int], *, device: str, batch: Asked, device_map: str | None = None
) -> "LayerEncoder":
    """Load the LLM as deep as these layers need.

    Args:
        config: the model and how to pool.
        layers: counted from 1.
        device: of torch.
        batch: prompts a pass at most, or ``auto``.
        device_map: ``auto`` spreads the model over all devices.

    Raises:
        ModelError: the model cannot be loaded.
    """
    decoder = load_decoder(config, max(layers), device=device, device_map=device_map)
    return LayerEncoder(decoder, load_tokens(config), config, layers, BatchSize(batch, device, "compute.llm_batch"))


class LayerEncoder:
    """An operator: a table whose ``key`` is the prompt's text in, ``key`` and :func:`result` out.

    Prompts of exactly the same number of tokens go through the LLM together, so there is no padding that could enter
    a mean, and a vector does not depend on the prompts beside it. The pass ends after the deepest requested layer.

    Args:
        decoder: the LLM.
        tokens: its tokenizer.
        config: final norm, dtype of the result.
        layers: which layers, counted from 1.
        size: prompts a pass at most.
    """

    def __init__(
        self, decoder: Decoder, tokens: PromptTokens, config: LlmParams, layers: Sequence[int], size: BatchSize
    ) -> None:
        self._decoder = decoder
        self._tokens = tokens
        self._config = config
        self._layers = tuple(layers)
        self._size = size

    def __call__(self, table: pa.Table) -> pa.Table:
        """Embed a batch of prompts."""
        tokens = self._tokens.ids(table.column(ROW_KEY).to_pylist())
        columns = [self._stored(layer, vectors) for layer, vectors in self._encode(tokens).items()]
        own = pa.array([len(self._tokens.own(ids)) for ids in tokens], pa.int32())
        names = [ROW_KEY, "tokens", *(f"layer_{layer}" for layer in self._layers)]
        return pa.table([table.column(ROW_KEY), own, *columns], names=names)

    def encode(self, prompts: Sequence[str]) -> dict[int, Floats]:
        """The mean over each prompt's own tokens, for every layer: shape (n, d), float32.

        Raises:
            ValueError: a prompt without any token.
        """
        return self._encode(self._tokens.ids(prompts))

    def _encode(self, tokens: Sequence[Sequence[int]]) -> dict[int, Floats]:
        return self._size.attempt(lambda batch: self._in(batch, tokens)) if tokens else {}

    def _in(self, batch: int, tokens: Sequence[Sequence[int]]) -> dict[int, Floats]:
        vectors: dict[int, Floats] = {}
        for group in same_length(tokens, batch):
            for layer, pooled in zip(self._layers, self._pooled([tokens[row] for row in group]), strict=True):
                whole = vectors.setdefault(layer, np.empty((len(tokens), pooled.shape[1]), np.float32))
                whole[group] = pooled
        return vectors

    def _pooled(self, tokens: Sequence[Sequence[int]]) -> Floats:
        """One pass over prompts of one length; each layer's mean over tokens, (layers, B, d).

        Pooled while the pass runs: memory does not grow with the tokens of all layers, and what is left of them comes
        from the device at once, at the end.
        """
        pooled: dict[int, torch.Tensor] = {}
        first = self._tokens.first(len(tokens[0]))
        looks = {layer: partial(self._pool, pooled=pooled, layer=layer, first=first) for layer in self._layers}
        self._decoder.run(tokens, looks)
        device = pooled[self._layers[-1]].device  # blocks may lie on several
        found: Floats = torch.stack([pooled[layer].to(device) for layer in self._layers]).cpu().numpy()
        return found

    def _pool(self, states: torch.Tensor, *, pooled: dict[int, torch.Tensor], layer: int, first: int) -> None:
        if self._config.final_norm:
            states = self._decoder.norm(states)
        pooled[layer] = states[:, first:].float().mean(dim=1)  # (B, d) of (B, T, d)

    def _stored(self, layer: int, vectors: Floats) -> pa.Array:
        refuse_overflow(vectors, f"layer {layer}", self._config)
        flat = pa.array(vectors.astype(self._config.store_dtype).reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def refuse_overflow(values: Floats, what: str, config: LlmParams) -> None:
    """Refuse numbers that are not finite, or too large for the dtype that they are stored in.

    Raises:
        ModelError: one line with the layer and the setting that helps.
    """
    if not np.isfinite(values).all():
        raise ModelError(f"{what} is not finite in llm.dtype {config.dtype}: take bfloat16 or float32")
    greatest = float(np.abs(values).max(initial=0.0))
    if greatest > float(np.finfo(config.store_dtype).max):
        raise ModelError(f"{what} reaches {greatest:.3g}, beyond float16: set llm.store_dtype to float32")

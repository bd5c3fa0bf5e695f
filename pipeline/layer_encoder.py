"""The LLM at work: one forward pass gives the mean-pooled vectors of all requested layers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from pipeline import tables
from pipeline.errors import ModelError
from pipeline.llm import ARROW, Dtype, Floats, LlmParams
from pipeline.pretrained import opening, quiet_transformers
from pipeline.tables import column
from pipeline.work import ROW_KEY

Hook = Callable[[nn.Module, Any, Any], None]

# Where decoders of transformers keep their blocks and the norm after the last one: LLaMA and kin, GPT-NeoX, GPT-2, OPT.
LAYOUTS = (
    ("layers", "norm"),
    ("layers", "final_layer_norm"),
    ("h", "ln_f"),
    ("decoder.layers", "decoder.final_layer_norm"),
)


def result(layers: Sequence[int], width: int, dtype: Dtype) -> pa.Schema:
    """What the operator gives for each prompt: a column ``layer_<k>`` with ``width`` numbers for each layer."""
    vectors = [column(f"layer_{layer}", pa.list_(ARROW[dtype], width), "mean-pooled") for layer in layers]
    return tables.schema(column("tokens", pa.int32(), "the prompt's own tokens"), *vectors)


def load_encoder(config: LlmParams, layers: Sequence[int], *, device: str, batch: int) -> "LayerEncoder":
    """Load the LLM without its language-model head, for these layers.

    Raises:
        ModelError: the model cannot be loaded.
    """
    quiet_transformers()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with opening(config.model, config.revision) as (name, revision):
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
        whole = AutoModelForCausalLM.from_pretrained(name, revision=revision, dtype=getattr(torch, config.dtype))
    return LayerEncoder(whole.base_model.to(device), tokenizer, config, layers, batch=batch)


class LayerEncoder:
    """An operator: a table whose ``key`` is the prompt's text in, ``key`` and :func:`result` out.

    Prompts of exactly the same number of tokens go through the LLM together, so there is no padding that could enter
    a mean, and a vector does not depend on the prompts beside it. The pass ends after the deepest requested layer.

    Args:
        model: a decoder of transformers without head; blocks below the deepest requested layer are kept, others freed.
        tokenizer: its tokenizer.
        config: final norm, start token, dtype of the result.
        layers: which layers, counted from 1.
        batch: prompts a pass at most.
    """

    def __init__(
        self, model: nn.Module, tokenizer: Any, config: LlmParams, layers: Sequence[int], *, batch: int
    ) -> None:
        self._blocks, norm = _parts(model)
        del self._blocks[max(layers) :]  # early exit: blocks above the deepest layer are never run
        self._norm = norm if config.final_norm else None
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._config = config
        self._layers = tuple(layers)
        self._batch = batch
        marks = tokenizer("a", return_special_tokens_mask=True).special_tokens_mask
        self._before, self._after = marks.index(0), marks[::-1].index(0)  # tokens that the tokenizer puts around a text

    def __call__(self, table: pa.Table) -> pa.Table:
        """Embed a batch of prompts."""
        prompts = table.column(ROW_KEY).to_pylist()
        found = self.encode(prompts)
        columns = [self._stored(layer, vectors) for layer, vectors in found.items()]
        tokens = pa.array([self._own_tokens(self._tokens(prompt)) for prompt in prompts], pa.int32())
        names = [ROW_KEY, "tokens", *(f"layer_{layer}" for layer in found)]
        return pa.table([table.column(ROW_KEY), tokens, *columns], names=names)

    def encode(self, prompts: Sequence[str]) -> dict[int, Floats]:
        """The mean over each prompt's own tokens, for every layer: shape (n, d), float32.

        The start token counts only where ``llm.pool_bos`` says so, or where the prompt has no other (the empty one).

        Raises:
            ValueError: a prompt without any token.
        """
        tokens = [self._tokens(prompt) for prompt in prompts]
        vectors: dict[int, Floats] = {}
        for group in same_length(tokens, self._batch):
            for layer, pooled in self._pooled([tokens[row] for row in group]).items():
                whole = vectors.setdefault(layer, np.empty((len(prompts), pooled.shape[1]), np.float32))
                whole[group] = pooled.cpu().numpy()
        return {layer: vectors[layer] for layer in self._layers if layer in vectors}

    def _tokens(self, prompt: str) -> list[int]:
        tokens: list[int] = self._tokenizer(prompt, verbose=False).input_ids
        tokens = tokens[: len(tokens) - self._after]  # an end token would see the prompt, but is none of its words
        if not tokens:
            raise ValueError(f"the prompt {prompt!r} has no token")
        return tokens

    def _own_tokens(self, tokens: Sequence[int]) -> int:
        return len(tokens) - self._first(len(tokens))

    def _first(self, length: int) -> int:
        """Index of the first token that is pooled."""
        return 0 if self._config.pool_bos or length == self._before else self._before

    @torch.no_grad()
    def _pooled(self, tokens: Sequence[Sequence[int]]) -> Mapping[int, torch.Tensor]:
        """One pass over prompts of one length; each layer's mean over tokens, (B, d) float32 on the device."""
        ids = torch.tensor(tokens, device=next(self._model.parameters()).device)  # (B, T)
        with self._pooling(self._first(ids.shape[1])) as pooled:
            self._model(input_ids=ids, use_cache=False)
        return pooled

    @contextmanager
    def _pooling(self, first: int) -> Iterator[dict[int, torch.Tensor]]:
        """Pool in hooks while the pass runs: memory does not grow with the tokens of all layers."""
        pooled: dict[int, torch.Tensor] = {}
        with ExitStack() as stack:
            for layer in self._layers:
                hook: Hook = partial(self._pool, pooled=pooled, layer=layer, first=first)
                stack.callback(self._blocks[layer - 1].register_forward_hook(hook).remove)
            yield pooled

    def _pool(
        self, _block: nn.Module, _inputs: Any, output: Any, *, pooled: dict[int, torch.Tensor], layer: int, first: int
    ) -> None:
        states: torch.Tensor = output[0] if isinstance(output, tuple) else output  # (B, T, d), before the final norm
        if self._norm is not None:
            states = self._norm(states)
        pooled[layer] = states[:, first:].float().mean(dim=1)

    def _stored(self, layer: int, vectors: Floats) -> pa.Array:
        dtype = self._config.store_dtype
        refuse_overflow(vectors, layer, self._config)
        flat = pa.array(vectors.astype(dtype).reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def same_length(tokens: Sequence[Sequence[int]], batch: int) -> Iterator[list[int]]:
    """Rows in groups of exactly the same length, at most ``batch`` a group, short ones first."""
    lengths: dict[int, list[int]] = {}
    for row, own in enumerate(tokens):
        lengths.setdefault(len(own), []).append(row)
    for length in sorted(lengths):
        rows = lengths[length]
        yield from (rows[start : start + batch] for start in range(0, len(rows), batch))


def refuse_overflow(vectors: Floats, layer: int, config: LlmParams) -> None:
    """Refuse vectors that are not finite, or too large for the dtype that they are stored in.

    Raises:
        ModelError: one line with the layer and the setting that helps.
    """
    if not np.isfinite(vectors).all():
        raise ModelError(f"layer {layer} is not finite in llm.dtype {config.dtype}: take bfloat16 or float32")
    greatest = float(np.abs(vectors).max(initial=0.0))
    if greatest > float(np.finfo(config.store_dtype).max):
        raise ModelError(f"layer {layer} reaches {greatest:.3g}, beyond float16: set llm.store_dtype to float32")


def _parts(model: nn.Module) -> tuple[nn.ModuleList, nn.Module]:
    """A decoder's blocks and its final norm."""
    for blocks, norm in LAYOUTS:
        try:
            return attrgetter(blocks)(model), attrgetter(norm)(model)
        except AttributeError:
            continue
    raise ModelError(f"{type(model).__name__} keeps its blocks where this version does not look: use a LLaMA or kin")

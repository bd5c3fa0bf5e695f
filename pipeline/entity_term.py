"""Entity-guided regularisation: the U-Net's attention to an attribute and to its entity agree. The formula is ours.

LLM4GEN (arXiv 2407.00737) names the term and gives no formula; ADR 0025 says how this one was chosen.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from pipeline.entity_pairs import Word, pairs
from pipeline.unet_parts import CROSS_ATTENTION


class Places(NamedTuple):
    """Where a pair stands: its row of the batch and the text tokens of either word."""

    row: int
    attribute: list[int]
    entity: list[int]


def located(tokenizer: Any, prompts: Sequence[str]) -> list[Places]:
    """The pairs of some prompts by their text tokens; a pair with a word behind the last token is left out.

    Args:
        tokenizer: the text encoder's; a word may be several of its tokens.
        prompts: of a batch.
    """
    found = []
    for row, prompt in enumerate(prompts):
        said = pairs(prompt)
        spans = _spans(tokenizer, prompt) if said else []
        places = (Places(row, _tokens(pair.attribute, spans), _tokens(pair.entity, spans)) for pair in said)
        found += [place for place in places if place.attribute and place.entity]
    return found


def _spans(tokenizer: Any, prompt: str) -> list[tuple[int, int]]:
    length = tokenizer.model_max_length
    read = tokenizer(prompt, truncation=True, max_length=length, return_offsets_mapping=True)
    spans: list[tuple[int, int]] = read.offset_mapping
    return spans


def _tokens(word: Word, spans: Sequence[tuple[int, int]]) -> list[int]:
    """Tokens that hold a part of the word; marks around the prompt are of no length."""
    return [place for place, (start, end) in enumerate(spans) if start < end and start < word.end and word.start < end]


@dataclass
class Agreement:
    """The term of a batch while the U-Net runs: each layer adds its part."""

    pairs: Sequence[Places]
    total: torch.Tensor | float = 0.0
    """Sum over layers and pairs, each pair divided by the number of its row's."""

    def add(self, scores: torch.Tensor) -> None:
        """One layer's attention.

        Args:
            scores: (batch, heads, places, tokens) before the softmax over the tokens.
        """
        counts = [sum(other.row == pair.row for other in self.pairs) for pair in self.pairs]
        rows = sorted({pair.row for pair in self.pairs})  # what says nothing costs no softmax
        maps = dict(zip(rows, scores[rows].float().softmax(dim=-1), strict=True))  # each (heads, places, tokens)
        for pair, count in zip(self.pairs, counts, strict=True):
            own = maps[pair.row]
            self.total = self.total + disagreement(own, pair.attribute, pair.entity) / count

    def mean(self, batch: int, like: torch.Tensor) -> torch.Tensor:
        """The term: mean over the rows of the batch; rows without a pair count as 0.

        Args:
            batch: rows.
            like: a tensor on the device where a batch without any pair is 0.
        """
        return self.total / batch + like.new_zeros(())


def disagreement(maps: torch.Tensor, attribute: Sequence[int], entity: Sequence[int]) -> torch.Tensor:
    """1 - cosine of two words' attention maps, mean over the heads; a word's map is the mean of its tokens'.

    Args:
        maps: (heads, places, tokens), attention of each place of the picture, positive.
        attribute: tokens of the one word.
        entity: tokens of the other.

    Returns:
        A scalar, 0 where both maps are proportional, at most 1 (maps are nowhere negative).
    """
    one, other = (maps[..., list(tokens)].mean(dim=-1) for tokens in (attribute, entity))
    return (1.0 - torch.nn.functional.cosine_similarity(one, other, dim=-1)).mean()


@contextmanager
def watched(unet: Any, agreement: Agreement) -> Iterator[None]:
    """The U-Net runs once within the block; behind it each of its cross-attentions adds its part to the term.

    The scores are made anew from the inputs of each attention, in float32 and outside the U-Net: so its own attention
    stays what it is, and gradient checkpointing, which runs the U-Net's blocks twice, sees the same both times. Without
    any pair nothing is looked at.
    """
    seen: list[tuple[Any, torch.Tensor, torch.Tensor]] = []

    def look(layer: Any, inputs: tuple[torch.Tensor, ...], named: dict[str, Any]) -> None:
        seen.append((layer, inputs[0] if inputs else named["hidden_states"], named["encoder_hidden_states"]))

    layers = [module for name, module in unet.named_modules() if name.endswith(CROSS_ATTENTION.rstrip("."))]
    hooks = [layer.register_forward_pre_hook(look, with_kwargs=True) for layer in layers if agreement.pairs]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    for layer, places, text in seen:
        agreement.add(_scores(layer, places, text))


def _scores(layer: Any, places: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Q K^T / sqrt(d) of a cross-attention of diffusers, (batch, heads, places, tokens) float32."""
    Q, K = (_heads(_linear(part, values), layer.heads) for part, values in ((layer.to_q, places), (layer.to_k, text)))
    scale: float = layer.scale
    return Q @ K.transpose(-1, -2) * scale


def _linear(part: Any, values: torch.Tensor) -> torch.Tensor:
    bias = None if part.bias is None else part.bias.float()
    return torch.nn.functional.linear(values.float(), part.weight.float(), bias)


def _heads(values: torch.Tensor, heads: int) -> torch.Tensor:
    """(B, T, d) as (B, heads, T, d / heads)."""
    batch, length, width = values.shape
    return values.view(batch, length, heads, width // heads).transpose(1, 2)

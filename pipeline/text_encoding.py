"""Prompts as the U-Net gets them: the text states of one CLIP encoder or of two, and what SDXL pools beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

Reader = tuple[Any, Any]
"""A tokenizer and its text encoder, of transformers."""


@dataclass(frozen=True)
class TextStates:
    """What some prompts are to a U-Net. Adapters work on ``states``; ``pooled`` goes past them untouched."""

    states: torch.Tensor
    """x = f_En(p), (batch, tokens, width): for the cross-attention."""
    pooled: torch.Tensor | None = None
    """(batch, projection width): the second encoder's projected end token, which SDXL adds to the timestep's
    embedding; None in Stable Diffusion 1.x and 2.x."""

    def replaced(self, states: torch.Tensor) -> "TextStates":
        """The same prompts with other states, for instance an adapter's c'; also of another length."""
        return replace(self, states=states)

    def to(self, dtype: torch.dtype) -> "TextStates":
        """In another number format."""
        return TextStates(self.states.to(dtype), None if self.pooled is None else self.pooled.to(dtype))

    def chunk(self, parts: int) -> "tuple[TextStates, ...]":
        """The batch cut into equal parts."""
        states = self.states.chunk(parts)
        pooled = [None] * len(states) if self.pooled is None else self.pooled.chunk(parts)
        return tuple(TextStates(*each) for each in zip(states, pooled, strict=True))


def joined(parts: Sequence[TextStates]) -> TextStates:
    """Several batches of one model as one."""
    pooled = [part.pooled for part in parts if part.pooled is not None]
    return TextStates(torch.cat([part.states for part in parts]), torch.cat(pooled) if pooled else None)


def encode(readers: Sequence[Reader], prompts: Sequence[str], device: str) -> TextStates:
    """Text states of prompts, cut at the tokenizer's length.

    One encoder gives its last layer behind the final norm (SD 2.x's encoder has one layer less than the OpenCLIP model
    that it is from, so that this is the penultimate one there). Of two encoders, each gives its penultimate layer
    without the final norm, side by side, and the last one its projection (SDXL, arXiv 2307.01952, section 2.1).

    Args:
        readers: one, or SDXL's two.
        prompts: any texts.
        device: where the encoders lie.
    """
    if len(readers) == 1:
        [(tokenizer, encoder)] = readers
        return TextStates(encoder(tokens(tokenizer, prompts).input_ids.to(device))[0])
    made = [
        encoder(tokens(tokenizer, prompts).input_ids.to(device), output_hidden_states=True)
        for tokenizer, encoder in readers
    ]
    return TextStates(torch.cat([each.hidden_states[-2] for each in made], dim=-1), made[-1].text_embeds)


def without_empty(text: TextStates, prompts: Sequence[str]) -> TextStates:
    """Zeros in the place of what was made of the empty text (``force_zeros_for_empty_prompt`` of SDXL)."""
    empty = torch.tensor([not prompt for prompt in prompts], device=text.states.device)
    pooled = None if text.pooled is None else text.pooled.masked_fill(empty.view(-1, 1), 0.0)
    return TextStates(text.states.masked_fill(empty.view(-1, 1, 1), 0.0), pooled)


def own_tokens(tokenizer: Any, prompts: Sequence[str]) -> torch.Tensor:
    """(batch, tokens) bool: true at the prompt's own tokens, false at start, end and padding.

    The tokenizer's mask decides, not the padding token: SD 2.x and SDXL pad with ``!``, which prompts hold too.
    """
    lengths = tokens(tokenizer, prompts).attention_mask.sum(dim=1, keepdim=True)
    positions = torch.arange(tokenizer.model_max_length).unsqueeze(0)
    own: torch.Tensor = (positions > 0) & (positions < lengths - 1)
    return own


def tokens(tokenizer: Any, prompts: Sequence[str]) -> Any:
    """Prompts padded and cut to the tokenizer's length, 77."""
    length = tokenizer.model_max_length
    return tokenizer(list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")

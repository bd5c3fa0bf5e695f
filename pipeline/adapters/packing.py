"""One tensor that takes a prompt to the U-Net's cross-attention in LLMDiff-Adapter's two branches.

Diffusers' pipelines hand ``encoder_hidden_states`` (batch, tokens, features) through and nothing beside. So what the
branches need lies side by side in the features, and their number says what is there:

    text width                          text states of the base model: the untouched layer
    text + LLM width + 1                phi(c), c, and 1 at real tokens
    2 x text + LLM width + 3            the same, text states of the base model, 1 at theirs, and eta of the row
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F


class Packed(NamedTuple):
    """What a row of the batch brings; S tokens, filled up to one length."""

    projected: torch.Tensor
    """phi(c) (batch, S, text width)."""
    states: torch.Tensor
    """c (batch, S, LLM width)."""
    own: torch.Tensor
    """(batch, S) bool: tokens of the prompt."""
    text: torch.Tensor | None
    """Text states of the base model (batch, S, text width), where eta asks for them."""
    told: torch.Tensor | None
    """(batch, S) bool: where they are."""
    eta: torch.Tensor | None
    """(batch, 1, 1): share of the two branches; without text states it is 1."""


def pack(projected: torch.Tensor, states: torch.Tensor, own: torch.Tensor, *, tokens: int) -> torch.Tensor:
    """Prompts for the two branches alone.

    Args:
        projected: phi(c) (batch, T, text width).
        states: c (batch, T, LLM width).
        own: (batch, T) bool.
        tokens: S: more are cut off, fewer are filled up.
    """
    flags = own.unsqueeze(-1).to(projected.dtype)
    joined = torch.cat([projected * flags, states.to(projected.dtype) * flags, flags], dim=-1)
    return _sized(joined, tokens)


def beside(text: torch.Tensor, packed: torch.Tensor, eta: float) -> torch.Tensor:
    """Prompts with the base model's text states beside them.

    Args:
        text: (batch, 77, text width).
        packed: the same prompts from :func:`pack`; :func:`nothing` where only the base model shall speak.
        eta: share of the two branches, 0 to 1.
    """
    tokens = max(text.shape[1], packed.shape[1])
    told = _sized(text.new_ones((*text.shape[:2], 1)), tokens)
    share = text.new_full((len(text), tokens, 1), eta)
    return torch.cat([_sized(packed.to(text.dtype), tokens), _sized(text, tokens), told, share], dim=-1)


def nothing(text: torch.Tensor, llm_width: int) -> torch.Tensor:
    """What stands where a row says nothing to the two branches: (batch, 77, text + LLM width + 1) zeros."""
    return text.new_zeros((*text.shape[:2], text.shape[2] + llm_width + 1))


def unpack(packed: torch.Tensor, text_width: int, llm_width: int) -> Packed | None:
    """The parts; None for plain text states.

    Raises:
        ValueError: another number of features.
    """
    alone = [text_width, llm_width, 1]
    both = [*alone, text_width, 1, 1]
    if packed.shape[-1] == text_width:
        return None
    if packed.shape[-1] == sum(alone):
        projected, states, own = packed.split(alone, dim=-1)
        return Packed(projected, states, _true(own), None, None, None)
    if packed.shape[-1] != sum(both):
        known = (text_width, sum(alone), sum(both))
        raise ValueError(f"{packed.shape[-1]} features are none of {known}: they are for another base model or LLM")
    projected, states, own, text, told, eta = packed.split(both, dim=-1)
    return Packed(projected, states, _true(own), text, _true(told), eta[:, :1])


def _sized(values: torch.Tensor, tokens: int) -> torch.Tensor:
    return F.pad(values[:, :tokens], (0, 0, 0, max(0, tokens - values.shape[1])))


def _true(flags: torch.Tensor) -> torch.Tensor:
    return flags.squeeze(-1) > 0.5

"""The encoder of the LLMDiff-Adapter (arXiv 2502.04412): each block of the LLM read as a denoising step (ADR 0026).

    c = c^T + sum_t ( g(t) [D_ctx^t - D_alone^t] + sqrt(2 h(t)) eps_t )

c^T is what enters the first block, D^t what block t adds to the residual stream: of a token in its context, and of the
same token fed alone. g and h are learned, one number a block.
"""

import torch
from pydantic import Field
from torch import nn

from pipeline.params import Section


class LlmDiffParams(Section):
    """Settings ``adapter.llmdiff``, read with ``adapter.kind: llmdiff``; all values are ours."""

    g_start: float
    """g(t) of every block at the start. With 1, c is the token's embedding and all that its context did to it."""
    h_start: float = Field(gt=0.0)
    """h(t) of every block at the start; the noise of all blocks, in training alone, has deviation sqrt(2 blocks h)."""
    max_tokens: int = Field(ge=1)
    """Tokens of a prompt that the U-Net attends to, without the LLM's start token; longer prompts are cut here."""


def block_sum(context: torch.Tensor, alone: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """The formula without its noise, as one weighted sum of states: what is stored are states, not differences.

    sum_t g(t) (R^t - R^(t-1)) with R = context - alone is sum_t (g(t) - g(t+1)) R^t, where g(0) = g(n+1) = 0. So equal
    g leave only the last state, and the rounding of those between falls away.

    Args:
        context: (batch, tokens, n + 1, width) what enters the first block and what leaves each, in context.
        alone: the same shape, of the same tokens fed alone.
        g: (n,), float32.

    Returns:
        c (batch, tokens, width) float32.

    Raises:
        ValueError: the shapes do not fit.
    """
    if context.shape != alone.shape or context.shape[-2] != len(g) + 1:
        shapes = f"context {tuple(context.shape)}, alone {tuple(alone.shape)}"
        raise ValueError(f"{shapes} must be one (B, T, {len(g) + 1}, d): a state more than there are g")
    edge = g.new_zeros(1)
    weights = torch.cat([edge, g]) - torch.cat([g, edge])  # (n + 1,)
    differences = context.float() - alone.float()  # (B, T, n + 1, d)
    return context[..., 0, :].float() + torch.einsum("n,btnd->btd", weights, differences)


class ScoreSum(nn.Module):
    """States of a prompt's tokens before and after each block in, c out.

    Args:
        config: how g and h start.
        blocks: n, of the LLM, as deep as its states were kept.
    """

    def __init__(self, config: LlmDiffParams, blocks: int) -> None:
        super().__init__()
        self.h_start = config.h_start
        self.g = nn.Parameter(torch.full((blocks,), config.g_start))
        self.s = nn.Parameter(torch.zeros(blocks))

    @property
    def h(self) -> torch.Tensor:
        """(n,): h_start e^s, so that no step can make it negative."""
        return self.h_start * self.s.exp()

    def forward(self, context: torch.Tensor, alone: torch.Tensor, eps: torch.Tensor | None = None) -> torch.Tensor:
        """The formula: c (batch, tokens, width), float32.

        Args:
            context: (batch, tokens, n + 1, width), see :func:`block_sum`.
            alone: the same shape.
            eps: (batch, tokens, width), standard normal, added while the module trains. Independent noises of the
                blocks sum to one noise whose variance is the sum of theirs: one is drawn for all.
        """
        with torch.autocast(context.device.type, enabled=False):  # bfloat16 would round states away
            c = block_sum(context, alone, self.g)
            if eps is not None and self.training:
                c = c + (2.0 * self.h.sum()).sqrt() * eps
        return c

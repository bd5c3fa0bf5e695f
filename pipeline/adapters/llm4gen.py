"""The Cross-Adapter Module of LLM4GEN (arXiv 2407.00737), as its authors released it: LLM states beside text states.

c_t are the text states, c_l the LLM's states of the same prompt, token by token. Attention has no mask, in here and in
the U-Net: padding is a position like any other, so it is always as long and always the same (ADR 0024).
"""

import torch
import torch.nn.functional as F
from torch import nn

from pipeline.adapters.settings import AdapterParams

DEVIATION = 0.02
HIDDEN = 4  # of the feed-forward, as a factor of the width


class QuickGelu(nn.Module):
    """x sigmoid(1.702 x): what CLIP has for GELU (arXiv 1606.08415, section 2)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape in, the same out."""
        return x * torch.sigmoid(1.702 * x)


class CrossAdapter(nn.Module):
    """Text states and LLM states in, both side by side out.

    l = Linear(c_l); l' = l + Linear(attention(LN(l), LN(c_t), LN(c_t))); l'' = l' + FFN(LN(l')); c = [c_t ; eta l''].

    Args:
        config: section ``adapter``: ``eta`` and subsection ``llm4gen``.
        width: of the text states.
        llm_width: of the LLM's states.

    Raises:
        ValueError: the heads do not divide ``width``.
    """

    def __init__(self, config: AdapterParams, *, width: int, llm_width: int) -> None:
        super().__init__()
        self.heads, self.tokens = config.llm4gen.heads, config.llm4gen.tokens
        if width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the text encoder's width {width}")
        self.config = config
        self.width, self.llm_width = width, llm_width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.project = nn.Linear(llm_width, width)
            self.norm_llm, self.norm_text = nn.LayerNorm(width), nn.LayerNorm(width)
            self.query, self.key, self.value, self.out = (_started(nn.Linear(width, width)) for _ in range(4))
            self.norm_hidden = nn.LayerNorm(width)
            self.feed_forward = nn.Sequential(
                nn.Linear(width, HIDDEN * width), QuickGelu(), nn.Linear(HIDDEN * width, width)
            )

    def forward(self, text_states: torch.Tensor, llm_states: torch.Tensor, *, eta: float | None = None) -> torch.Tensor:
        """The condition of some prompts.

        Args:
            text_states: c_t (batch, tokens, width).
            llm_states: c_l (batch, ``adapter.llm4gen.tokens``, llm_width), zeros behind a prompt's own tokens.
            eta: the dial, 0 to 1; None takes the configured one. It is the factor that the paper calls lambda; the
                release has none, which is 1. At 0 the condition is ``text_states`` bit for bit, without the LLM half.

        Returns:
            (batch, tokens + LLM tokens, width).

        Raises:
            ValueError: the LLM's states have another length or width.
        """
        if llm_states.shape[1:] != (self.tokens, self.llm_width):
            raise ValueError(f"LLM states {tuple(llm_states.shape)} must be (B, {self.tokens}, {self.llm_width})")
        eta = self.config.eta if eta is None else eta
        if eta == 0.0:
            return text_states
        llm = self.project(llm_states)
        text = self.norm_text(text_states)
        Q, K, V = self.query(self.norm_llm(llm)), self.key(text), self.value(text)
        attended = F.scaled_dot_product_attention(self._split(Q), self._split(K), self._split(V))
        llm = llm + self.out(attended.transpose(1, 2).flatten(2))
        llm = llm + self.feed_forward(self.norm_hidden(llm))
        return torch.cat([text_states, (eta * llm).to(text_states.dtype)], dim=1)

    def _split(self, states: torch.Tensor) -> torch.Tensor:
        """(B, T, d) as (B, heads, T, d / heads)."""
        batch, length, width = states.shape
        return states.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


def _started(layer: nn.Linear) -> nn.Linear:
    """A projection of the attention as the release starts it: weights from a truncated normal, bias 0."""
    nn.init.trunc_normal_(layer.weight, std=DEVIATION)
    nn.init.zeros_(layer.bias)
    return layer

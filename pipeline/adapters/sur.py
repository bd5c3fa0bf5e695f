"""The SUR-adapter (arXiv 2305.05189, section 4.2): h1, h2, h3 and g, and the frozen projection W0 of the LLM vector.

Symbols are the paper's: x = f_En(p_s) the text states, Q, K, V, c_LLM, c', eta. Batch first throughout (ADR 0010).
"""

from typing import NamedTuple

import torch
from torch import nn

from pipeline.adapters.settings import AdapterParams, GInit

NORMAL_DEVIATION = 0.02


class Condition(NamedTuple):
    """What the adapter makes of the text states; all (batch, tokens, width)."""

    condition: torch.Tensor
    """c' of Eq. 7: what the U-Net's cross-attention gets."""
    query: torch.Tensor
    """Q of Eq. 4: the student of Eq. 5."""
    hidden: torch.Tensor
    """h3's Transformer output before the query layer: what the authors' code distils. x itself with ``h3: linear``."""


class SurAdapter(nn.Module):
    """Eqs. 4, 6 and 7: text states in, condition out.

    Args:
        config: section ``adapter``.
        width: d, of the text encoder's states.
        llm_width: of the LLM vectors.
        w0_seed: seed of the frozen projection W0.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    def __init__(self, config: AdapterParams, *, width: int, llm_width: int, w0_seed: int) -> None:
        super().__init__()
        if config.h3 == "transformer" and width % config.heads:
            raise ValueError(f"{config.heads} heads do not divide the text encoder's width {width}")
        self.config = config
        self.width, self.llm_width = width, llm_width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.transformer = _transformer(config, width) if config.h3 == "transformer" else nn.Identity()
            self.query = nn.Linear(width, width)
            self.h2 = nn.Linear(width, width)
            self.h1 = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            self.g = _start_g(nn.Linear(width, width), config.g_init)
        self.projection: torch.Tensor
        self.llm_mean: torch.Tensor
        self.llm_deviation: torch.Tensor
        self.register_buffer("projection", _projection(width, llm_width, w0_seed))
        self.register_buffer("llm_mean", torch.zeros(llm_width))
        self.register_buffer("llm_deviation", torch.ones(llm_width))

    def forward(self, text_states: torch.Tensor, *, eta: float | None = None) -> Condition:
        """Eqs. 4, 6, 7.

        Args:
            text_states: x (batch, tokens, width), of the simple prompts.
            eta: the dial, 0 to 1; None takes the configured one. At 0 the condition is ``text_states`` bit for bit.
        """
        x = text_states
        hidden = self.transformer(x)
        Q, K, V = self.query(hidden), self.h2(x), x
        attention = torch.softmax(Q @ K.transpose(1, 2) / self.width**0.5, dim=-1)  # (B, T, T), Eq. 4
        w = attention @ V + V  # V' + V
        c_llm = self.g(w + self.h1(w))  # Eq. 6
        return Condition(self._mix(x, c_llm, self.config.eta if eta is None else eta), Q, hidden)

    def _mix(self, x: torch.Tensor, c_llm: torch.Tensor, eta: float) -> torch.Tensor:
        """Eq. 7, or its residual form."""
        if eta == 0.0:
            return x
        kept = x if self.config.mixing == "residual" else (1.0 - eta) * x
        return kept + eta * c_llm

    def teacher(self, llm_embedding: torch.Tensor) -> torch.Tensor:
        """W0 f_LLM(p_s) of Eq. 5.

        Args:
            llm_embedding: (batch, llm_width) pooled vectors.

        Returns:
            (batch, width), without gradient.
        """
        scaled = (llm_embedding - self.llm_mean) / self.llm_deviation
        return scaled @ self.projection.T

    def standardise(self, llm_embeddings: torch.Tensor) -> None:
        """Take mean and deviation of each LLM dimension from the training split, (samples, llm_width)."""
        deviation, mean = torch.std_mean(llm_embeddings.double(), dim=0, correction=0)
        self.llm_mean.copy_(mean)
        self.llm_deviation.copy_(torch.where(deviation > 0, deviation, torch.ones_like(deviation)))


def _transformer(config: AdapterParams, width: int) -> nn.TransformerEncoder:
    """Post-norm ReLU layers as the authors have them, but batch first: attention runs over a prompt's tokens."""
    layer = nn.TransformerEncoderLayer(
        width, config.heads, max(1, round(config.feed_forward * width)), config.dropout, batch_first=True
    )
    transformer = nn.TransformerEncoder(layer, config.depth, enable_nested_tensor=False)
    for parameter in transformer.parameters():  # the layers are copies of one: draw each anew
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    return transformer


def _start_g(g: nn.Linear, init: GInit) -> nn.Linear:
    nn.init.zeros_(g.bias)
    match init:
        case "zero":
            nn.init.zeros_(g.weight)
        case "kaiming":
            nn.init.kaiming_normal_(g.weight)
        case "xavier":
            nn.init.xavier_normal_(g.weight)
        case "normal":
            nn.init.normal_(g.weight, std=NORMAL_DEVIATION)
    return g


def _projection(width: int, llm_width: int, seed: int) -> torch.Tensor:
    """W0 (width, llm_width): Kaiming uniform as ``torch.nn.Linear`` starts, from a seed of its own (ADR 0013)."""
    generator = torch.Generator().manual_seed(seed)
    return nn.init.kaiming_uniform_(torch.empty(width, llm_width), a=5**0.5, generator=generator)

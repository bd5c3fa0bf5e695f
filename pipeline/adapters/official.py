"""The network of the SUR-adapter's released code, for inference with the weights that its authors published (ADR 0022).

It departs from :mod:`pipeline.adapters.sur`, which follows the paper, in one thing that matters: h3's Transformer
attends across the batch, not over the tokens of a prompt. What a prompt becomes therefore depends on what is beside it.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from pipeline.adapters.sur import Condition
from pipeline.params import Section

LAYERS, HEADS = 2, 8


class OfficialParams(Section):
    """What ``config.json`` says of a converted adapter; the shape beside the width is read from the weights."""

    kind: Literal["sur"]
    compat: Literal["official"]
    eta: float = Field(ge=0.0, le=1.0)
    """Not in the authors' file: theirs is told in the name of the folder that it lies in (ADR 0022)."""
    feed_forward_width: int = Field(ge=1)
    """Hidden width of h3's layers, 2048 in the authors' code."""


class OfficialAdapter(nn.Module):
    """Text states in, condition out, as the authors' code computes them with its dropout off.

    Args:
        config: eta and the hidden width of h3's layers.
        width: d, of the text encoder's states: 768.

    Raises:
        ValueError: the 8 heads do not divide ``width``.
    """

    def __init__(self, config: OfficialParams, *, width: int) -> None:
        super().__init__()
        if width % HEADS:
            raise ValueError(f"{HEADS} heads do not divide the text encoder's width {width}")
        self.config = config
        self.width = width
        # Without batch_first, as theirs: PyTorch takes the batch for the sequence.
        layer = nn.TransformerEncoderLayer(width, HEADS, config.feed_forward_width, dropout=0.0)
        self.transformer = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.query = nn.Linear(width, width)
        self.h2 = nn.Linear(width, width)
        self.h1 = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.g = nn.Linear(width, width)

    def forward(self, text_states: torch.Tensor, *, eta: float | None = None) -> Condition:
        """Eqs. 4, 6, 7 with h3 over the batch.

        Args:
            text_states: x (batch, tokens, width). With guidance the authors' pipeline gives the negative prompt and
                then the prompt, in one batch; without it the prompt alone, for which h3 is a perceptron of each token.
            eta: the dial, 0 to 1; None takes the configured one. At 0 the condition is ``text_states`` bit for bit.
        """
        x, eta = text_states, self.config.eta if eta is None else eta
        hidden = self.transformer(x)  # (B, T, d): each token attends to the same position of the other prompts
        Q, K, V = self.query(hidden), self.h2(x), x
        attention = torch.softmax(Q @ K.transpose(1, 2) / self.width**0.5, dim=-1)  # (B, T, T): over tokens
        w = attention @ V + V
        r = w + self.h1(w)
        return Condition(x if eta == 0.0 else eta * self.g(r) + (1.0 - eta) * x, Q, hidden)

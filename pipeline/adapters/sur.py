"""The SUR-adapter (arXiv 2305.05189, section 4.2): h1, h2, h3 and g, and the frozen projection W0 of the LLM vector.

Symbols are the paper's: x = f_En(p_s) the text states, Q, K, V, c_LLM, c', eta. Batch first throughout (ADR 0010).
"""

from typing import Literal, NamedTuple

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import nn

from pipeline.params import Section

GInit = Literal["zero", "kaiming", "xavier", "normal"]
NORMAL_DEVIATION = 0.02
AUTHORS = {"mixing": "paper", "h3": "transformer", "depth": 2, "heads": 8}


class OfficialCheckpoint(Section):
    """Settings ``adapter.official_checkpoint``."""

    path: str = Field(min_length=1)
    """The ``.pt`` file of the SUR-adapter's authors: a state dict of 48 tensors."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the file (``sha256sum``): another file is another result, which DVC sees by this key."""


class AdapterParams(Section):
    """Section ``adapter`` of params.yaml."""

    kind: Literal["sur"]
    """Which adapter is trained."""
    compat: Literal["none", "official"]
    """``official``: nothing is trained, stage ``train`` converts the authors' weights, and what comes after draws and
    measures with them as their code does (ADR 0022). It asks for the authors' ``mixing``, ``h3``, ``depth`` and
    ``heads``; ``feed_forward``, ``dropout``, ``g_init``, ``seed`` and ``sample.adapt_negative`` are not read then."""
    official_checkpoint: OfficialCheckpoint | None
    """Which weights, with ``compat: official``; null else."""
    eta: float = Field(ge=0.0, le=1.0)
    """Share of c_LLM in Eq. 7. The paper's appendix says 1e-5, the authors' script 0.1 (ADR 0015)."""
    mixing: Literal["paper", "residual"]
    """``paper``: c' = eta c_LLM + (1 - eta) x (Eq. 7). ``residual``: c' = x + eta c_LLM, which starts as x itself."""
    h3: Literal["transformer", "linear"]
    """What makes Q: Transformer layers and then a linear layer (authors' code), or the linear layer alone."""
    depth: int = Field(ge=1, le=24)
    """Transformer layers of h3; the authors' code has 2. Not read with ``h3: linear``."""
    heads: int = Field(ge=1)
    """Attention heads of h3's layers, a divisor of the text encoder's width; the authors' code has 8."""
    feed_forward: float = Field(gt=0.0)
    """Hidden width of h3's layers as a factor of the text encoder's width; the authors' code has 2048 / 768."""
    dropout: float = Field(ge=0.0, lt=1.0)
    """Dropout in h3 while training. 0 by default: what is drawn then would depend on the micro-batch."""
    g_init: GInit
    """How g starts (the paper's Fig. 6). ``zero``: weight and bias, so that c_LLM starts at 0 (ADR 0012)."""
    seed: int = Field(ge=0)
    """Seed of all trained parameters at the start."""

    @field_validator("official_checkpoint")
    @classmethod
    def _there_where_read(cls, value: OfficialCheckpoint | None, info: ValidationInfo) -> OfficialCheckpoint | None:
        match info.data.get("compat"):
            case "official" if value is None:
                raise ValueError("must be {path: ..., sha256: ...} of the authors' file with adapter.compat: official")
            case "none" if value is not None:
                raise ValueError("is read with adapter.compat: official only: set that, or null here")
        return value

    @field_validator(*AUTHORS)
    @classmethod
    def _as_the_authors(cls, value: str | int, info: ValidationInfo) -> str | int:
        needed = AUTHORS[str(info.field_name)]
        if info.data.get("compat") == "official" and value != needed:
            raise ValueError(f"must be {needed} with adapter.compat: official, which is the authors' network")
        return value


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

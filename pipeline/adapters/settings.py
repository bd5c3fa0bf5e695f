"""Section ``adapter`` of params.yaml: keys of the SUR-adapter, what all kinds share, subsections for the others."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from pipeline.adapters.score_sum import LlmDiffParams
from pipeline.params import Section

GInit = Literal["zero", "kaiming", "xavier", "normal"]
AUTHORS = {"mixing": "paper", "h3": "transformer", "depth": 2, "heads": 8}


class OfficialCheckpoint(Section):
    """Settings ``adapter.official_checkpoint``."""

    path: str = Field(min_length=1)
    """The ``.pt`` file of the SUR-adapter's authors: a state dict of 48 tensors."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the file (``sha256sum``): another file is another result, which DVC sees by this key."""


class Llm4genParams(Section):
    """Settings ``adapter.llm4gen``, read with ``adapter.kind: llm4gen`` only."""

    tokens: int = Field(ge=1, le=4096)
    """LLM tokens that a prompt is padded with zeros to, or cut at; 256 in the authors' code. There is no mask."""
    heads: int = Field(ge=1)
    """Attention heads, a divisor of the text encoder's width; 8 in the authors' code."""


class AdapterParams(Section):
    """Section ``adapter`` of params.yaml."""

    kind: Literal["sur", "llm4gen", "llmdiff", "none"]
    """Which adapter is trained: ``sur`` (arXiv 2305.05189); ``llm4gen``, the Cross-Adapter Module of arXiv 2407.00737,
    which needs the LLM for each picture and ``llm.states: tokens``; ``llmdiff`` (arXiv 2502.04412; ADR 0026), which
    needs it too and ``llm.states: blocks``; or ``none``: parts of the U-Net alone (``train.unet``) on the same data
    without an LLM, the control of every comparison (ADR 0024). The keys from ``mixing`` to ``g_init`` are read with
    ``sur`` only, each other kind has a subsection of its own; ``eta`` and ``seed`` are read with all."""
    compat: Literal["none", "official"]
    """``official``: nothing is trained, stage ``train`` converts the authors' weights, and what comes after draws and
    measures with them as their code does (ADR 0022). It asks for the authors' ``mixing``, ``h3``, ``depth`` and
    ``heads``; ``feed_forward``, ``dropout``, ``g_init``, ``seed`` and ``sample.adapt_negative`` are not read then."""
    official_checkpoint: OfficialCheckpoint | None
    """Which weights, with ``compat: official``; null else."""
    eta: float = Field(ge=0.0, le=1.0)
    """Share of c_LLM in Eq. 7. The paper's appendix says 1e-5, the authors' script 0.1 (ADR 0015). A dial at run time
    for all kinds: 0 is the untouched base model; trained U-Net parts count in full from this value up (ADR 0024)."""
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
    llm4gen: Llm4genParams
    llmdiff: LlmDiffParams
    """Keys of ``kind: llmdiff`` alone."""

    @field_validator("compat")
    @classmethod
    def _of_sur_alone(cls, value: str, info: ValidationInfo) -> str:
        if value == "official" and info.data.get("kind") != "sur":
            raise ValueError("official is a network of adapter.kind: sur: set that, or none here")
        return value

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

"""What an adapter folder says of itself in ``config.json``: one that was trained here, or the authors' converted."""

from typing import Literal

from pipeline.adapters.official import OfficialParams
from pipeline.adapters.settings import AdapterParams
from pipeline.params import Section
from pipeline.unet_parts import Parts


class Named(Section):
    """A model by name and revision; a folder's revision is the digest of its content."""

    model: str
    revision: str


class LlmNamed(Named):
    """The LLM and the layer whose vectors were distilled (layers count from 1)."""

    layer: int


class LlmRead(LlmNamed):
    """The LLM whose token states are read for every text, before the first block and up to ``layer``, and all that
    changes them: pictures are made with the states that were trained on."""

    dtype: Literal["float32", "bfloat16", "float16"]
    quantisation: Literal["none", "8bit", "4bit"]
    store_dtype: Literal["float32", "float16"]
    """What states are rounded to."""


class StatesNamed(LlmRead):
    """The LLM whose token states after one layer, ``layer``, are taken for every text."""

    pool_bos: bool
    """Whether the start token is one of them."""


class UnetTrained(Section):
    """What of the U-Net was trained, in ``unet.safetensors``."""

    parts: Parts
    weights_sha256: str


class _Common(Section):
    format: Literal[1]
    base: Named
    width: int
    weights_sha256: str
    package_version: str


class AdapterConfig(_Common):
    """``config.json`` of an adapter that was trained here."""

    adapter: AdapterParams
    """Kind, eta, mixing and the rest of section ``adapter``, as trained."""
    llm: StatesNamed | LlmRead | LlmNamed | None
    """The LLM that was learned from, or that is read for every picture; null where there is none."""
    llm_width: int | None
    w0_seed: int | None
    """Of kind sur, as ``llm_scale``."""
    llm_scale: Literal["raw", "standardise"] | None
    steps: int
    moving_average: bool
    """Whether the weights are the average over the last steps (``train.ema_decay``)."""
    unet: UnetTrained | None
    """Null where the U-Net was frozen."""


class OfficialConfig(_Common):
    """``config.json`` of a converted official adapter; null is what the authors' file does not tell.

    It tells no base model and no eta either: those are what whoever converted it said.
    """

    adapter: OfficialParams
    llm: None
    llm_width: None
    w0_seed: None
    llm_scale: None
    steps: None
    official_sha256: str
    """Of the authors' file."""


def name_of(model: Named) -> str:
    """For the user's eyes."""
    return f"{model.model} at {model.revision}"

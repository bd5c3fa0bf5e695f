"""What section ``sample`` says of the controlled methods (the paper's Tables 2 to 4, its appendix B.1; ADR 0032)."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from pipeline.params import Names, Section

MethodName = Literal["none", "canny", "seg", "weighting", "panorama", "sag", "pag"]
PLAIN: Literal["none"] = "none"
CONTROLNETS = ("canny", "seg")


class ModelNamed(Section):
    """A model by name."""

    model: str = Field(min_length=1)
    """A folder in diffusers' layout, or a Hugging Face id."""
    revision: str = Field(min_length=1)
    """A folder's content digest, or the hub's commit."""


class SegParams(ModelNamed):
    """Settings ``sample.controlnets.seg``: the ControlNet, and the segment pictures that it is shown."""

    scale: float = Field(ge=0.0)
    """Weight of the ControlNet's word; diffusers' default is 1."""
    folder: str = Field(min_length=1)
    """In ``prompts/``, which DVC watches: ``<prompt id>.png`` or ``<prompt id>/*.png``, in the colours that the
    ControlNet was trained with. Picture i takes the file i, and after the last the first again."""


class CannyParams(ModelNamed):
    """Settings ``sample.controlnets.canny``: the ControlNet, and where its edges come from."""

    scale: float = Field(ge=0.0)
    """As of ``seg``."""
    source: Literal["edges", "pictures", "base", "complex"]
    """``edges``: the folder holds edge pictures. ``pictures``: it holds pictures, whose edges are found. ``base``: the
    edges of the base model's picture of the same prompt and seed; ``complex``: of that of the complex wording."""
    folder: str | None
    """As of ``seg``; with ``source: edges`` or ``pictures``, null else."""
    low: float = Field(gt=0.0)
    """Canny's lower threshold, as ``cv2.Canny`` takes it; 100 in diffusers' examples."""
    high: float = Field(gt=0.0)
    """Its upper threshold; 200 there."""
    blur_px: float = Field(ge=0.0)
    """Standard deviation of a Gaussian before it; 0 is none, as in diffusers' examples."""

    @field_validator("folder")
    @classmethod
    def _where_read(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("source") in ("edges", "pictures") and not value:
            raise ValueError("must name a folder in prompts/ with source: edges or pictures")
        if info.data.get("source") in ("base", "complex") and value is not None:
            raise ValueError("is read with source: edges or pictures only: null here, or another source")
        return value


class ControlNets(Section):
    """Settings ``sample.controlnets``."""

    canny: CannyParams | None
    """Null where method ``canny`` is not asked for."""
    seg: SegParams | None
    """Null where method ``seg`` is not asked for."""


class WeightingParams(Section):
    """Settings ``sample.weighting``: compel's prompt weighting."""

    factor: float = Field(gt=0.0, le=2.0)
    """Weight of the emphasised words, 1 is none; compel's ``++`` is 1.21. The paper names no weight."""
    adapter_order: Literal["wrap", "after"]
    """``wrap``: compel weights what the adapted text encoder says. ``after``: the adapter gets weighted states."""


class PanoramaParams(Section):
    """Settings ``sample.panorama``: MultiDiffusion (arXiv 2302.08113)."""

    height_px: int = Field(ge=8)
    """diffusers' default is 512. At the size that the model was trained for it is plain sampling (one window)."""
    width_px: int = Field(ge=8)
    """diffusers' default is 2048."""
    scheduler_of: ModelNamed | None
    """A model whose noise levels are taken, as the paper gives each model the other's scheduler; null: its own. The
    kind of scheduler stays ``sample.scheduler`` (ADR 0032)."""


class SagParams(Section):
    """Settings ``sample.sag``: self-attention guidance (arXiv 2210.00939)."""

    scale: float = Field(ge=0.0, le=1.0)
    """diffusers' default is 0.75; 0 is none."""


class PagParams(Section):
    """Settings ``sample.pag``: perturbed-attention guidance (arXiv 2403.17377)."""

    scale: float = Field(ge=0.0)
    """diffusers' default is 3; 0 is none."""
    layers: Annotated[Names, Field(min_length=1)]
    """Whose self-attention is perturbed, in diffusers' words: ``mid``, ``up.block_1``, ..."""


class MethodParams(Section):
    """What section ``sample`` says of methods."""

    methods: tuple[MethodName, ...] = Field(strict=False, min_length=1)
    """``none`` is plain sampling, ``canny`` and ``seg`` are ControlNets, ``panorama`` is MultiDiffusion. Both arms are
    made with each, from the same seeds; reference arms with ``none`` alone."""
    controlnets: ControlNets
    weighting: WeightingParams
    panorama: PanoramaParams
    sag: SagParams
    pag: PagParams

    @field_validator("methods")
    @classmethod
    def _each_once(cls, value: tuple[MethodName, ...]) -> tuple[MethodName, ...]:
        if len(set(value)) < len(value):
            raise ValueError("names a method twice")
        return value

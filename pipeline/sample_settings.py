"""Section ``sample`` of params.yaml."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from pipeline.arms import EXPANDED, Reference
from pipeline.diffusion import SchedulerName
from pipeline.methods.settings import MethodParams
from pipeline.prompt_formats import PublicPrompts
from pipeline.sampling import Denoising


class SampleParams(MethodParams):
    """Section ``sample`` of params.yaml."""

    prompts: Annotated[tuple[PublicPrompts | str, ...], Field(strict=False, min_length=1)]
    """Prompt files, in this order: ours in prompts/, or ``{format: geneval, path: ..., revision: ...}`` of others."""
    limit_per_type: int = Field(ge=1)
    """The first so many prompts of each type: counting, colour, action, or a benchmark's task (geneval_counting)."""
    images_per_prompt: int = Field(ge=1)
    """Pictures of each prompt and arm; the paper makes 10 (130 for its Table 7)."""
    steps: int = Field(ge=1, le=1000)
    """Denoising steps."""
    guidance_scale: float = Field(ge=1.0)
    """Classifier-free guidance; 1 is none, diffusers' default is 7.5."""
    scheduler: SchedulerName
    """``ddim``, ``pndm`` or ``dpm`` (DPM-Solver++), with the model's own noise levels."""
    negative_prompt: str
    """What guidance leads away from; empty is what diffusers takes without one: the empty text, in SDXL zeros."""
    adapt_negative: bool
    """Send the negative prompt through the adapter too, as the authors' pipeline does (ADR 0016). Not read with an
    official adapter (``adapter.compat``), which always takes both together, with ``adapter.kind: llm4gen``, whose
    negative prompt always goes through its module, and with ``none``, which has no adapter."""
    reference_arms: tuple[Reference, ...] = Field(strict=False)
    """Adds the base model on other wordings: ``complex``, the prompt file's (what the adapter may hope for), and
    ``expanded``, what an LLM made of the prompt (the paper's Fig. 2b). Or ``[]``. A prompt without the wording has no
    such arm."""
    expanded: str | None
    """With reference arm ``expanded``, null else: a JSON file in ``prompts/``, which DVC watches, prompt id -> text."""
    seed: int = Field(ge=0)
    """Of the first noise."""

    @field_validator("reference_arms")
    @classmethod
    def _named_once(cls, value: tuple[Reference, ...]) -> tuple[Reference, ...]:
        if len(set(value)) < len(value):
            raise ValueError("names an arm twice")
        return value

    @field_validator("expanded")
    @classmethod
    def _read_with_its_arm(cls, value: str | None, info: ValidationInfo) -> str | None:
        asked = EXPANDED in info.data.get("reference_arms", ())
        if asked and not value:
            raise ValueError("must name a file in prompts/ with expanded among sample.reference_arms")
        if value is not None and "reference_arms" in info.data and not asked:
            raise ValueError("is read with expanded among sample.reference_arms only: null here, or that arm")
        return value

    @property
    def denoising(self) -> Denoising:
        """The part that decides a picture beside its text and seed."""
        return Denoising(self.steps, self.guidance_scale, self.scheduler, self.negative_prompt, self.adapt_negative)

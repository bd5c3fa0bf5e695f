"""Section ``sample`` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

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
    reference_arms: tuple[Literal["complex"], ...] = Field(strict=False)
    """``[complex]`` adds the base model on the prompt's complex wording: what the adapter may hope for. Or ``[]``."""
    seed: int = Field(ge=0)
    """Of the first noise."""

    @property
    def denoising(self) -> Denoising:
        """The part that decides a picture beside its text and seed."""
        return Denoising(self.steps, self.guidance_scale, self.scheduler, self.negative_prompt, self.adapt_negative)

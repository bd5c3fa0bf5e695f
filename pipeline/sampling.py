"""Generating pictures in paired arms: the base model and the adapted one from the same first noise.

A picture's seed is a pure function of prompt, index and ``sample.seed``; its noise comes from a CPU generator of its
own. Each text is encoded alone, so that neither text nor picture depends on its neighbours; an official adapter gets
the negative prompt and one text together, as in its authors' pipeline (ADR 0022).
"""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import pyarrow as pa
import torch
from PIL import Image
from pydantic import Field

from pipeline import tables, unet_parts
from pipeline.adapters import kinds
from pipeline.adapters.kinds import Adapter
from pipeline.adapters.official import OfficialAdapter
from pipeline.diffusion import Diffusion, SchedulerName
from pipeline.files import digest
from pipeline.params import Names, Section
from pipeline.prompts import Prompt
from pipeline.seeds import seed_of
from pipeline.tables import column
from pipeline.unet_parts import Values
from pipeline.work import ROW_KEY

BASE, ADAPTED, COMPLEX = "base", "adapted", "complex"
RESULT = tables.schema(column("image", pa.binary(), "PNG"))


@dataclass(frozen=True)
class Denoising:
    """How a picture is made from its first noise; the fields are explained in :class:`SampleParams`."""

    steps: int
    guidance_scale: float
    scheduler: SchedulerName
    negative_prompt: str = ""
    adapt_negative: bool = False


class SampleParams(Section):
    """Section ``sample`` of params.yaml."""

    prompts: Annotated[Names, Field(min_length=1)]
    """Prompt files, in this order."""
    limit_per_type: int = Field(ge=1)
    """The first so many prompts of each type (counting, colour, action)."""
    images_per_prompt: int = Field(ge=1)
    """Pictures of each prompt and arm; the paper makes 10 (130 for its Table 7)."""
    steps: int = Field(ge=1, le=1000)
    """Denoising steps."""
    guidance_scale: float = Field(ge=1.0)
    """Classifier-free guidance; 1 is none, diffusers' default is 7.5."""
    scheduler: SchedulerName
    """``ddim``, ``pndm`` or ``dpm`` (DPM-Solver++), with the model's own noise levels."""
    negative_prompt: str
    """What guidance leads away from; empty is the unconditional text."""
    adapt_negative: bool
    """Send the negative prompt through the adapter too, as the authors' pipeline does (ADR 0016). Not read with an
    official adapter (``adapter.compat``), which always takes both together."""
    reference_arms: tuple[Literal["complex"], ...] = Field(strict=False)
    """``[complex]`` adds the base model on the prompt's complex wording: what the adapter may hope for. Or ``[]``."""
    seed: int = Field(ge=0)
    """Of the first noise."""

    @property
    def denoising(self) -> Denoising:
        """The part that decides a picture beside its text and seed."""
        return Denoising(self.steps, self.guidance_scale, self.scheduler, self.negative_prompt, self.adapt_negative)


@dataclass(frozen=True)
class Shot:
    """One picture to make."""

    prompt: Prompt
    index: int
    arm: str
    seed: int

    @property
    def sample_id(self) -> str:
        """Its key in the tables."""
        return f"{self.prompt.id}/{self.index:02d}/{self.arm}"

    @property
    def text(self) -> str:
        """What the model is given."""
        return self.prompt.complex or self.prompt.text if self.arm == COMPLEX else self.prompt.text

    @property
    def adapted(self) -> bool:
        """Whether the text states go through the adapter."""
        return self.arm == ADAPTED


def plan(prompts: Sequence[Prompt], config: SampleParams) -> list[Shot]:
    """All pictures, sorted by ``sample_id``; a prompt without complex wording has no complex arm."""
    shots = [
        Shot(prompt, index, arm, seed_of(config.seed, prompt.id, index))
        for prompt in prompts
        for index in range(config.images_per_prompt)
        for arm in (BASE, ADAPTED, *config.reference_arms)
        if arm != COMPLEX or prompt.complex is not None
    ]
    return sorted(shots, key=lambda shot: shot.sample_id)


class Sampler:
    """The base model and an adapter, ready to make pictures.

    Args:
        diffusion: the frozen base model.
        adapter: None where only base pictures are made.
        config: steps, guidance, scheduler, negative prompt.
        eta: the adapter's dial; None takes the trained one. At 0 both arms are equal, bit for bit.
        unet: trained weights of the U-Net, for adapted pictures.
    """

    def __init__(
        self,
        diffusion: Diffusion,
        adapter: Adapter | None,
        config: Denoising,
        *,
        eta: float | None = None,
        unet: Values | None = None,
    ) -> None:
        self.diffusion, self.adapter, self.config, self.eta = diffusion, adapter, config, eta
        self.unet = self._blended(unet) if unet else {}
        self.pipeline = diffusion.pipeline(config.scheduler)
        self._states = functools.lru_cache(maxsize=256)(self._encode)
        self._pair = functools.lru_cache(maxsize=256)(self._guided)

    @torch.no_grad()
    def pictures(self, texts: Sequence[str], seeds: Sequence[int], adapted: Sequence[bool]) -> list[Image.Image]:
        """Make a batch; guidance runs in the same batch, the VAE decodes it at once.

        Args:
            texts: prompts.
            seeds: of the first noise, one a picture.
            adapted: whether a prompt's states go through the adapter.
        """
        if not self.unet:
            return self._drawn(texts, seeds, adapted)
        pictures: dict[int, Image.Image] = {}
        for through in sorted(set(adapted)):
            rows = [row for row, each in enumerate(adapted) if each == through]
            # As many rows as were asked for: the size of a batch rounds, and a base picture is the same for all kinds.
            full = rows + rows[-1:] * (len(texts) - len(rows))
            with unet_parts.swapped(self.diffusion.unet, self.unet if through else {}):
                made = self._drawn(*([values[row] for row in full] for values in (texts, seeds, adapted)))
            pictures.update(zip(rows, made, strict=False))
        return [pictures[row] for row in range(len(texts))]

    def _blended(self, trained: Values) -> Values:
        if self.adapter is None:
            return {}
        own = self.adapter.config.eta
        return unet_parts.blended(
            self.diffusion.unet, trained, eta=own if self.eta is None else self.eta, trained_eta=own
        )

    def _drawn(self, texts: Sequence[str], seeds: Sequence[int], adapted: Sequence[bool]) -> list[Image.Image]:
        """By the U-Net as it is."""
        negatives, prompts = zip(*(self._pair(*each) for each in zip(texts, adapted, strict=True)), strict=True)
        made = self.pipeline(
            prompt_embeds=torch.cat(prompts),
            negative_prompt_embeds=torch.cat(negatives),
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            num_inference_steps=self.config.steps,
            guidance_scale=self.config.guidance_scale,
        )
        pictures: list[Image.Image] = made.images
        return pictures

    def _guided(self, text: str, adapted: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """What guidance leads away from and what it leads to, (1, tokens, width) each in the model's number format."""
        negative = self.config.negative_prompt
        if adapted and isinstance(self.adapter, OfficialAdapter):
            return self._officially(self._states(negative, False), self._states(text, False))
        return self._states(negative, adapted and self.config.adapt_negative), self._states(text, adapted)

    def _officially(self, negative: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both together through the adapter, which mixes them; without guidance the prompt goes alone."""
        if self.config.guidance_scale <= 1.0:
            return negative, self._adapt(x)
        both = self._adapt(torch.cat([negative, x]))
        return both[:1], both[1:]

    def _encode(self, text: str, adapted: bool) -> torch.Tensor:
        """Text states (1, tokens, width) in the model's number format."""
        x = self.diffusion.text_states([text])
        return self._adapt(x) if adapted else x

    def _adapt(self, x: torch.Tensor) -> torch.Tensor:
        if self.adapter is None:
            return x
        return kinds.condition(self.adapter, x.float(), eta=self.eta).to(x.dtype)


class Painter:
    """An operator: a table with ``key``, ``text``, ``seed`` and ``adapted`` in, ``key`` and ``image`` (PNG) out.

    Args:
        sampler: makes the pictures.
        batch: pictures a call; fewer are filled up with the last one (see :func:`pipeline.vae.filled`).
    """

    def __init__(self, sampler: Sampler, batch: int) -> None:
        self.sampler, self.batch = sampler, batch

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Make one batch."""
        wanted = rows.to_pylist()
        full = wanted + wanted[-1:] * (self.batch - len(wanted))
        pictures = self.sampler.pictures(*([row[name] for row in full] for name in ("text", "seed", "adapted")))
        images = [png(picture) for picture in pictures[: len(wanted)]]
        return pa.table({ROW_KEY: rows.column(ROW_KEY), "image": pa.array(images, pa.binary())})


def work_keys(shots: Sequence[Shot], adapter_digest: str) -> list[str]:
    """What each picture is made from: a base picture's key does not name the adapter, so it is made once for all."""
    return [digest([shot.text, shot.seed, adapter_digest if shot.adapted else None]) for shot in shots]


def work_table(shots: Sequence[Shot], keys: Sequence[str]) -> pa.Table:
    """The Painter's input."""
    return pa.table(
        {
            ROW_KEY: pa.array(keys, pa.string()),
            "text": pa.array([shot.text for shot in shots], pa.string()),
            "seed": pa.array([shot.seed for shot in shots], pa.int64()),
            "adapted": pa.array([shot.adapted for shot in shots], pa.bool_()),
        }
    )


def generate(
    prompt: str,
    seed: int,
    *,
    diffusion: Diffusion,
    adapter: Adapter,
    config: Denoising,
    eta: float | None = None,
    unet: Values | None = None,
) -> tuple[Image.Image, Image.Image]:
    """One prompt drawn by the base model and by the adapted one, from the same noise.

    Args:
        prompt: any text.
        seed: of the first noise.
        diffusion: the frozen base model.
        adapter: trained for it.
        config: steps, guidance, scheduler, negative prompt.
        eta: the dial; None takes the trained one.
        unet: trained weights of the U-Net.
    """
    sampler = Sampler(diffusion, adapter, config, eta=eta, unet=unet)
    base, adapted = (sampler.pictures([prompt], [seed], [through])[0] for through in (False, True))
    return base, adapted


def png(picture: Image.Image) -> bytes:
    """A picture as PNG; the same picture gives the same bytes."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()

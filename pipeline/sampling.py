"""Generating pictures in paired arms: the base model and the adapted one from the same first noise.

A picture's noise comes from a CPU generator of its own, so that a picture depends neither on its neighbours nor on what
was made before it. What the model is told comes from :mod:`pipeline.encoding`; how it is steered beside that is a
:class:`Method`, a diffusers pipeline and what it is called with (:mod:`pipeline.methods.building` makes them).
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image

from pipeline.adapters.official import Adapter
from pipeline.diffusion import Diffusion, SchedulerName, pipeline_inputs
from pipeline.encoding import Encode, Encoder
from pipeline.text_encoding import joined


@dataclass(frozen=True)
class Denoising:
    """How a picture is made from its first noise; explained in :class:`pipeline.sample_settings.SampleParams`."""

    steps: int
    guidance_scale: float
    scheduler: SchedulerName
    negative_prompt: str = ""
    adapt_negative: bool = False


@dataclass(frozen=True)
class Method:
    """A way of steering the same model: a diffusers pipeline, and what every call of it is given."""

    pipeline: Any
    """Of diffusers' own classes, on the parts of the base model."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Beside conditions, noise, steps and guidance."""
    prepare: Callable[[Image.Image], Image.Image] | None = None
    """What makes a conditioning picture of a shot's source picture, where the method takes one."""
    alone: bool = False
    """One picture a call, where the pipeline is wrong for more."""
    encode: Encode | None = None
    """In place of the usual encoder."""


class Sampler:
    """The base model and an adapter, ready to make pictures.

    Args:
        diffusion: the frozen base model.
        adapter: None where only base pictures are made.
        config: steps, guidance, scheduler, negative prompt.
        eta: the adapter's dial; None takes the trained one. At 0 both arms are equal, bit for bit.
        method: None is the plain pipeline.
    """

    def __init__(
        self,
        diffusion: Diffusion,
        adapter: Adapter | None,
        config: Denoising,
        *,
        eta: float | None = None,
        method: Method | None = None,
    ) -> None:
        self.config = config
        self.method = method or Method(diffusion.pipeline(config.scheduler))
        self.encode = self.method.encode or encoder(diffusion, adapter, config, eta=eta)

    @torch.no_grad()
    def pictures(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        adapted: Sequence[bool],
        conditions: Sequence[Image.Image] | None = None,
    ) -> list[Image.Image]:
        """Make a batch; guidance runs in the same batch, the VAE decodes it at once.

        Args:
            texts: prompts.
            seeds: of the first noise, one a picture.
            adapted: whether a prompt's states go through the adapter.
            conditions: conditioning pictures, one a picture, where the method takes them.
        """
        size = 1 if self.method.alone else max(1, len(texts))
        made: list[Image.Image] = []
        for start in range(0, len(texts), size):
            part = slice(start, start + size)
            made += self._call(texts[part], seeds[part], adapted[part], conditions and conditions[part])
        return made

    def _call(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        adapted: Sequence[bool],
        conditions: Sequence[Image.Image] | None,
    ) -> list[Image.Image]:
        encoded = [self.encode(*each) for each in zip(texts, adapted, strict=True)]
        made = self.method.pipeline(
            **pipeline_inputs(joined([each.prompt for each in encoded]), joined([each.negative for each in encoded])),
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            num_inference_steps=self.config.steps,
            guidance_scale=self.config.guidance_scale,
            **({"image": list(conditions)} if conditions else {}),
            **self.method.options,
        )
        pictures: list[Image.Image] = made.images
        return pictures


def encoder(diffusion: Diffusion, adapter: Adapter | None, config: Denoising, *, eta: float | None = None) -> Encoder:
    """The encoder for these settings."""
    return Encoder(
        diffusion,
        adapter,
        negative_prompt=config.negative_prompt,
        adapt_negative=config.adapt_negative,
        guided=config.guidance_scale > 1.0,
        eta=eta,
    )


def generate(
    prompt: str, seed: int, *, diffusion: Diffusion, adapter: Adapter, config: Denoising, eta: float | None = None
) -> tuple[Image.Image, Image.Image]:
    """One prompt drawn by the base model and by the adapted one, from the same noise.

    Args:
        prompt: any text.
        seed: of the first noise.
        diffusion: the frozen base model.
        adapter: trained for it.
        config: steps, guidance, scheduler, negative prompt.
        eta: the dial; None takes the trained one.
    """
    sampler = Sampler(diffusion, adapter, config, eta=eta)
    base, adapted = (sampler.pictures([prompt], [seed], [through])[0] for through in (False, True))
    return base, adapted


def png(picture: Image.Image) -> bytes:
    """A picture as PNG; the same picture gives the same bytes."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()

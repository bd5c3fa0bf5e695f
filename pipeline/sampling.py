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

from pipeline import unet_parts
from pipeline.adapters.kinds import Adapter, of_other_features
from pipeline.adapters.llmdiff import LlmDiffAdapter
from pipeline.diffusion import Diffusion, SchedulerName, pipeline_inputs
from pipeline.encoding import Encode, Encoder
from pipeline.padded_states import TextStatesOf
from pipeline.text_encoding import joined
from pipeline.unet_parts import Values


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
        unet: trained weights of the U-Net, which adapted pictures are made with.
        llm_states: the LLM's states of a text, for a kind that needs them.
    """

    def __init__(
        self,
        diffusion: Diffusion,
        adapter: Adapter | None,
        config: Denoising,
        *,
        eta: float | None = None,
        method: Method | None = None,
        unet: Values | None = None,
        llm_states: TextStatesOf | None = None,
    ) -> None:
        self.config, self.unet = config, diffusion.unet
        self.apart = bool(unet) or of_other_features(adapter)
        if isinstance(adapter, LlmDiffAdapter):
            adapter.attach(diffusion.unet)
        self.trained = _blended(diffusion, adapter, eta, unet) if unet else {}
        self.method = method or Method(diffusion.pipeline(config.scheduler))
        self.encode = self.method.encode or encoder(diffusion, adapter, config, eta=eta, llm_states=llm_states)

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
        arms = [(True, False)] if not self.apart else [(False,), (True,)]
        made: dict[int, Image.Image] = {}
        for arm in arms:
            rows = [row for row, through in enumerate(adapted) if through in arm]
            if rows:
                with unet_parts.swapped(self.unet, self.trained if arm == (True,) else {}):
                    drawn = self._arm(rows, texts, seeds, adapted, conditions)
                made.update(zip(rows, drawn, strict=True))
        return [made[row] for row in range(len(texts))]

    def _arm(
        self,
        rows: Sequence[int],
        texts: Sequence[str],
        seeds: Sequence[int],
        adapted: Sequence[bool],
        conditions: Sequence[Image.Image] | None,
    ) -> list[Image.Image]:
        """Some rows by the U-Net as it is, in calls of as many rows as the whole batch has.

        The size of a batch rounds: so a base picture does not depend on whether its arm was drawn apart.
        """
        size = 1 if self.method.alone else len(texts)
        made: list[Image.Image] = []
        for start in range(0, len(rows), size):
            some = [*rows[start : start + size]]
            full = some + some[-1:] * (size - len(some))
            drawn = self._call(
                [texts[row] for row in full],
                [seeds[row] for row in full],
                [adapted[row] for row in full],
                conditions and [conditions[row] for row in full],
            )
            made += drawn[: len(some)]
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


def _blended(diffusion: Diffusion, adapter: Adapter | None, eta: float | None, trained: Values) -> Values:
    """The U-Net's weights at this dial (ADR 0024)."""
    if adapter is None:
        return {}
    own = adapter.config.eta
    return unet_parts.blended(diffusion.unet, trained, eta=own if eta is None else eta, trained_eta=own)


def encoder(
    diffusion: Diffusion,
    adapter: Adapter | None,
    config: Denoising,
    *,
    eta: float | None = None,
    llm_states: TextStatesOf | None = None,
) -> Encoder:
    """The encoder for these settings."""
    return Encoder(
        diffusion,
        adapter,
        negative_prompt=config.negative_prompt,
        adapt_negative=config.adapt_negative,
        guided=config.guidance_scale > 1.0,
        eta=eta,
        llm_states=llm_states,
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
    method: Method | None = None,
    condition: Image.Image | None = None,
    llm_states: TextStatesOf | None = None,
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
        llm_states: the LLM's states of a text, for a kind that needs them.
        method: None is the plain pipeline.
        condition: the conditioning picture, where the method takes one.
    """
    sampler = Sampler(diffusion, adapter, config, eta=eta, method=method, unet=unet, llm_states=llm_states)
    shown = None if condition is None else [condition]
    base, adapted = (sampler.pictures([prompt], [seed], [through], shown)[0] for through in (False, True))
    return base, adapted


def png(picture: Image.Image) -> bytes:
    """A picture as PNG; the same picture gives the same bytes."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()

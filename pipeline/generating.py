"""Pictures of any prompt by the base model and by the adapted one: what ``sur generate`` and the demo page show."""

import functools
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from pipeline import diffusion, engine, prompt_states, sampling
from pipeline.adapters import folder
from pipeline.engine import ComputeParams
from pipeline.errors import InputError
from pipeline.methods import building
from pipeline.methods.settings import CONTROLNETS, PLAIN, MethodName
from pipeline.sample_settings import SampleParams
from pipeline.sampling import Method, Sampler
from pipeline.vae import DiffusionParams


class Pair(NamedTuple):
    """One prompt from one noise."""

    base: Image.Image
    adapted: Image.Image
    condition: Image.Image | None
    """What a ControlNet was shown."""


class Generator:
    """The base model and a trained adapter, loaded once.

    Args:
        adapter: the adapter's folder.
        sample: steps, guidance, scheduler and the methods' settings.
        base: the base model.
        compute: device, and how the LLM runs where the adapter reads prompts with one.

    Raises:
        ModelError: the model or the adapter cannot be used.
    """

    def __init__(self, adapter: Path, sample: SampleParams, base: DiffusionParams, compute: ComputeParams) -> None:
        about = folder.read_config(adapter)  # a wrong folder is told before a large model is loaded
        self.sample = sample
        keep = functools.cache(functools.partial(prompt_states.load, compute))  # for a page that is asked on and on
        self.llm_states = prompt_states.read(about, [], build=keep)
        device = engine.device(compute)
        self.model = diffusion.load(base.model, base.revision, device=device, dtype=getattr(torch, base.dtype))
        named = folder.Named(model=base.model, revision=base.revision)
        self.adapter = folder.load(
            adapter, base=named, width=self.model.text_width, device=device, unet=self.model.unet
        )
        self.unet = folder.load_unet(adapter, self.model.unet)
        self._built: dict[MethodName, Method] = {}

    @property
    def eta(self) -> float:
        """The dial that the adapter was trained with."""
        return float(self.adapter.config.eta)

    def pair(
        self,
        prompt: str,
        seed: int,
        *,
        eta: float | None = None,
        method: MethodName = PLAIN,
        source: Image.Image | None = None,
    ) -> Pair:
        """Draw both.

        Args:
            prompt: any text.
            seed: of the first noise.
            eta: the dial, 0 to 1; None takes the trained one.
            method: of the settings' methods.
            source: the picture that a ControlNet's conditioning picture is made of.

        Raises:
            InputError: the method needs such a picture and there is none, or takes none.
            SettingError: the method is not set up.
        """
        made = self._method(method, eta)
        if made.prepare is None and source is not None:
            raise InputError(f"method {method} takes no conditioning picture")
        condition = None if made.prepare is None else made.prepare(source or self._source(method, prompt, seed))
        base, adapted = sampling.generate(
            prompt,
            seed,
            diffusion=self.model,
            adapter=self.adapter,
            config=self.sample.denoising,
            eta=eta,
            unet=self.unet,
            llm_states=self.llm_states,
            method=made,
            condition=condition,
        )
        return Pair(base, adapted, condition)

    def _method(self, name: MethodName, eta: float | None) -> Method:
        """A ControlNet and a scheduler's model are looked at and loaded once; weighting alone knows eta."""
        if name in self._built:
            return self._built[name]
        made = building.build(name, self.sample, self.sample.denoising, self.model, self.adapter, eta=eta)
        if name != "weighting":
            self._built[name] = made
        return made

    def _source(self, method: MethodName, prompt: str, seed: int) -> Image.Image:
        """The base model's own picture, where edges shall be those of it."""
        canny = self.sample.controlnets.canny
        if method not in CONTROLNETS or method == "seg" or canny is None or canny.source != "base":
            raise InputError(f"method {method} needs a conditioning picture: --condition FILE")
        [picture] = Sampler(self.model, None, self.sample.denoising).pictures([prompt], [seed], [False])
        return picture

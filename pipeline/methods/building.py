"""From a method's name to diffusers' own pipeline on the parts of the base model, and what it is called with."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image

from pipeline.adapters.kinds import Adapter
from pipeline.adapters.llmdiff import LlmDiffAdapter
from pipeline.diffusion import Diffusion, sampler
from pipeline.errors import SettingError
from pipeline.methods import conditions
from pipeline.methods.settings import CannyParams, MethodName, MethodParams, ModelNamed, PanoramaParams, SegParams
from pipeline.methods.weighting import WeightedEncoder
from pipeline.pretrained import opening
from pipeline.sampling import Denoising, Method, encoder
from pipeline.vae import frozen

DIFFUSERS_VAE_FACTOR = 8  # what StableDiffusionPanoramaPipeline.get_views divides by, whatever the VAE
VIEWS_AT_ONCE = 8  # windows of a panorama in one pass of the U-Net; another number rounds otherwise


def build(
    name: MethodName,
    config: MethodParams,
    denoising: Denoising,
    diffusion: Diffusion,
    adapter: Adapter | None,
    *,
    eta: float | None = None,
) -> Method:
    """A method, ready for :class:`pipeline.sampling.Sampler`.

    Args:
        name: which.
        config: its settings.
        denoising: steps, guidance, scheduler, negative prompt.
        diffusion: the frozen base model; its parts are shared, not copied.
        adapter: as of the sampler.
        eta: as of the sampler.

    Raises:
        ModelError: a ControlNet is missing or does not fit.
        SettingError: the method cannot do with these settings or with this base model.
    """
    if name != "none" and diffusion.text_encoder_2 is not None:
        raise SettingError(
            f"sample.methods: {name} runs with Stable Diffusion 1.x and 2.x only, not with SDXL: take none"
        )
    plain = diffusion.pipeline(denoising.scheduler)
    match name:
        case "none":
            return Method(plain)
        case "canny" | "seg":
            if isinstance(adapter, LlmDiffAdapter):
                raise SettingError(deaf(name))
            return _controlled(name, config, diffusion, plain)
        case "weighting":
            usual = encoder(diffusion, adapter, denoising, eta=eta)
            return Method(plain, encode=WeightedEncoder(diffusion, usual, config.weighting))
        case "panorama":
            return _panorama(config.panorama, denoising, diffusion, plain)
        case "sag":
            return Method(_derived("StableDiffusionSAGPipeline", plain), {"sag_scale": config.sag.scale})
        case "pag":
            made = _derived("StableDiffusionPAGPipeline", plain, pag_applied_layers=list(config.pag.layers))
            return Method(made, {"pag_scale": config.pag.scale})


def _derived(name: str, plain: Any, **parts: Any) -> Any:
    """Another pipeline class on the same parts. SAG and MultiDiffusion are deprecated in diffusers, which warns."""
    import diffusers

    with _quietly():
        made = getattr(diffusers, name).from_pipe(plain, dtype=plain.dtype, **parts)
    made.set_progress_bar_config(disable=True)
    return made


@contextmanager
def _quietly() -> Iterator[None]:
    from diffusers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _controlled(name: str, config: MethodParams, diffusion: Diffusion, plain: Any) -> Method:
    chosen = config.controlnets.canny if name == "canny" else config.controlnets.seg
    if chosen is None:
        raise SettingError(lacking(name))
    net = controlnet(chosen, device=diffusion.device, dtype=diffusion.dtype)
    size = _side_px(diffusion)
    made = _derived("StableDiffusionControlNetPipeline", plain, controlnet=net)
    options = {"controlnet_conditioning_scale": chosen.scale}
    return Method(made, options, prepare=_preparation(chosen, (size, size)))


def deaf(name: str) -> str:
    """What is told where a ControlNet, which hears text states, meets an adapter without them."""
    return f"sample.methods: {name} hears text states, adapter.kind: llmdiff has none"


def lacking(name: str) -> str:
    """What is told where a method has no ControlNet."""
    return f"sample.methods names {name}, which needs a ControlNet: set sample.controlnets.{name}, or leave it out"


def controlnet(named: ModelNamed, *, device: str, dtype: torch.dtype) -> Any:
    """Load a ControlNet (arXiv 2302.05543), frozen.

    Raises:
        ModelError: it is missing, of another revision, or cannot be loaded.
    """
    from diffusers import ControlNetModel

    with opening(named.model, named.revision) as (name, version):
        return frozen(ControlNetModel.from_pretrained(name, revision=version, dtype=dtype), device)


def _preparation(chosen: CannyParams | SegParams, size: tuple[int, int]) -> Callable[[Image.Image], Image.Image]:
    match chosen:
        case CannyParams(source="pictures" | "base" | "complex"):
            return lambda picture: conditions.edges(conditions.fitted(picture, size), chosen)
        case _:
            return functools.partial(conditions.fitted, size=size, exact=True)


def _side_px(diffusion: Diffusion) -> int:
    """Of the square pictures that the model was trained on."""
    return int(diffusion.unet.config.sample_size) * diffusion.codec.side_factor


def _panorama(config: PanoramaParams, denoising: Denoising, diffusion: Diffusion, plain: Any) -> Method:
    """MultiDiffusion in windows of the model's own size, an eighth of it apart: diffusers' numbers for 512 px.

    One picture a call: the class repeats latents by picture but conditions by kind, so that of several some are drawn
    without any guidance.
    """
    factor = diffusion.codec.side_factor
    for side in (config.height_px, config.width_px):
        if side % factor:
            raise SettingError(f"sample.panorama: sides must be multiples of {factor}, the VAE's step, got {side}")
    made = _derived("StableDiffusionPanoramaPipeline", plain)
    if config.scheduler_of is not None:
        made.scheduler = sampler(_scheduler_config(config.scheduler_of), denoising.scheduler)
    made.get_views = _views(made.get_views, int(diffusion.unet.config.sample_size), factor)
    options = {"height": config.height_px, "width": config.width_px, "view_batch_size": VIEWS_AT_ONCE}
    return Method(made, options, alone=True)


def _views(get_views: Callable[..., Any], window: int, factor: int) -> Callable[..., Any]:
    def views(height: int, width: int, circular_padding: bool = False) -> Any:
        scaled = (side * DIFFUSERS_VAE_FACTOR // factor for side in (height, width))
        return get_views(*scaled, window_size=window, stride=max(1, window // 8), circular_padding=circular_padding)

    return views


def _scheduler_config(named: ModelNamed) -> Any:
    """The noise levels of another model.

    Raises:
        ModelError: it cannot be had.
    """
    from diffusers import DDPMScheduler

    with opening(named.model, named.revision) as (name, version):
        return DDPMScheduler.from_pretrained(name, revision=version, subfolder="scheduler").config

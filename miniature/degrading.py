"""Pictures made worse in known ways: blur, noise, the autoencoder's round trip, the diffusion model's own faults."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from miniature import architectures, pictures
from miniature.training import device

BLURS = (0.5, 1.0)
"""Radii in pixels at which the oracle is tried."""
NOISES = (10.0, 25.0)
"""Standard deviations in levels, of 255, at which the oracle is tried."""
SHARES = (0.2, 0.4)
"""Shares of the noise schedule from which a picture is denoised again."""
MOST_BLUR, MOST_NOISE = 3.0, 40.0
"""Ends of the ranges of `graded`: pixels, and levels of 255."""
Graded = dict[str, tuple[list[Image.Image], Sequence[float]]]
"""Way -> pictures and how much worse each of them is."""
_AT_ONCE = 32


def blurred(image: Image.Image, radius: float) -> Image.Image:
    """The picture behind a Gaussian whose standard deviation is `radius` pixels."""
    return image.filter(ImageFilter.GaussianBlur(float(radius)))


def noisy(image: Image.Image, deviation: float, rng: np.random.Generator) -> Image.Image:
    """The picture with Gaussian noise in every pixel and channel; levels are rounded and cut off at 0 and 255.

    Args:
        image: the picture.
        deviation: standard deviation of the noise in levels, of 255.
        rng: draws the noise.
    """
    levels = _levels(image)
    return Image.fromarray((levels + rng.normal(0, deviation, levels.shape)).round().clip(0, 255).astype(np.uint8))


def _levels(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64)


def _error(image: Image.Image, clean: Image.Image) -> float:
    return float(np.sqrt(((_levels(image) - _levels(clean)) ** 2).mean()))


def graded(images: Sequence[Image.Image], rng: np.random.Generator) -> Graded:
    """Pictures made worse by random amounts: by blur, by noise, and by `both`, blur and then noise.

    What blur and noise are graded by is their radius and deviation. Both together are graded twice: by the sum of the
    two as shares of their ranges, and (`both_rmse`) by the root mean squared error against the clean picture,
    which also grows with the contrast and the number of edges that a picture has to lose.
    """
    radii, deviations = (rng.uniform(0, most, len(images)).tolist() for most in (MOST_BLUR, MOST_NOISE))
    soft = [blurred(image, radius) for image, radius in zip(images, radii, strict=True)]
    rough, both = (
        [noisy(image, deviation, rng) for image, deviation in zip(chosen, deviations, strict=True)]
        for chosen in (images, soft)
    )
    shares = [radius / MOST_BLUR + deviation / MOST_NOISE for radius, deviation in zip(radii, deviations, strict=True)]
    errors = [_error(image, clean) for image, clean in zip(both, images, strict=True)]
    return {"blur": (soft, radii), "noise": (rough, deviations), "both": (both, shares), "both_rmse": (both, errors)}


@torch.no_grad()
def decoded(vae: Any, images: Sequence[Image.Image]) -> list[Image.Image]:
    """What the autoencoder makes of pictures: encoded to the latents' mean and decoded."""
    batches = pictures.as_tensor(images).split(_AT_ONCE)
    latents = (vae.encode(batch.to(device())).latent_dist.mean for batch in batches)
    return pictures.as_pictures(torch.cat([vae.decode(batch).sample.cpu() for batch in latents]))


def denoised(
    parts: Mapping[str, Any],
    images: Sequence[Image.Image],
    prompts: Sequence[str],
    share: float,
    *,
    steps: int,
    guidance: float,
    seed: int = 31,
) -> list[Image.Image]:
    """Pictures whose scaled latents got the noise of a time `share` into the schedule, freed of it by the U-Net.

    By the image-to-image pipeline with DDIM and eta 0, so only the noise that is put in is drawn.
    Source: C. Meng et al., SDEdit, 2022.

    Args:
        parts: vae, text_encoder, tokenizer and unet.
        images: 64 x 64.
        prompts: what the U-Net is told of each picture.
        share: above 0 to 1; the larger, the more of a picture is the U-Net's own.
        steps: of the whole schedule; `share` of them are done.
        guidance: how much the prompt counts.
        seed: of the first picture's noise; each has its own.
    """
    pipeline = _image_to_image(parts)
    made: list[Image.Image] = []
    for start in range(0, len(images), _AT_ONCE):
        chosen = slice(start, start + _AT_ONCE)
        told = list(prompts[chosen])
        made += pipeline(
            told,
            image=list(images[chosen]),
            strength=share,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed + start + index) for index in range(len(told))],
        ).images
    return made


def _image_to_image(parts: Mapping[str, Any]) -> Any:
    components = architectures.pipeline(**parts).to(device()).components
    from diffusers import StableDiffusionImg2ImgPipeline

    pipeline = StableDiffusionImg2ImgPipeline(**components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def every_way(
    parts: Mapping[str, Any], images: Sequence[Image.Image], prompts: Sequence[str], *, steps: int, guidance: float
) -> Iterator[tuple[str, list[Image.Image]]]:
    """Each way's name and the pictures made worse by it; arguments as for `denoised`."""
    for radius in BLURS:
        yield f"blur_{radius:g}", [blurred(image, radius) for image in images]
    for deviation in NOISES:
        rng = np.random.default_rng(round(deviation))
        yield f"noise_{deviation:g}", [noisy(image, deviation, rng) for image in images]
    yield "decoded", decoded(parts["vae"], images)
    for share in SHARES:
        made = denoised(parts, images, prompts, share, steps=steps, guidance=guidance)
        yield f"denoised_{share:g}", made

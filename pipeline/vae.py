"""The frozen VAE of the base model: pictures to latents and back.

Latents are scaled by the VAE's ``scaling_factor``, as in diffusers' own pipelines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field

from pipeline import base_models
from pipeline.errors import ModelError
from pipeline.params import Section
from pipeline.pretrained import opening
from pipeline.vision_shim import ensure_torchvision

Dtype = Literal["float32", "bfloat16", "float16"]
LOG_VARIANCE_RANGE = (-30.0, 20.0)  # as diffusers' DiagonalGaussianDistribution: exp stays finite


class DiffusionParams(Section):
    """Section ``diffusion`` of params.yaml: the frozen base model."""

    model: str = Field(min_length=1)
    """A folder in diffusers' layout, or a Hugging Face id: Stable Diffusion 1.x, 2.x or XL (docs/models.md)."""
    revision: str = Field(min_length=1)
    """A folder's content digest, or the hub's commit."""
    dtype: Dtype
    """Number format of the frozen model in ``latents`` and ``sample``; ``train`` follows ``train.precision``.
    SDXL's VAE stays in float32 where float16 is asked for: its numbers would overflow."""


def side_factor(block_out_channels: Sequence[int]) -> int:
    """Pixels of a picture's side for one of its latents' side: between its blocks a VAE halves it."""
    return int(2 ** (len(block_out_channels) - 1))


@dataclass(frozen=True)
class Codec:
    """The frozen VAE: pictures to latents and back."""

    vae: Any
    device: str
    dtype: torch.dtype
    """Of the VAE's weights: float32 where float16 was asked for and would overflow."""

    @property
    def side_factor(self) -> int:
        """Pixels of a picture's side for one of its latents' side, 8 in Stable Diffusion."""
        return side_factor(self.vae.config.block_out_channels)

    @torch.no_grad()
    def moments(self, pixels: torch.Tensor) -> torch.Tensor:
        """Mean and log variance of the latents' distribution.

        Args:
            pixels: (batch, 3, height, width), -1 to 1.

        Returns:
            (batch, 2 x channels, height / side_factor, width / side_factor) float32, unscaled: mean, then log variance.
        """
        distribution = self.vae.encode(pixels.to(self.device, self.dtype)).latent_dist
        moments: torch.Tensor = distribution.parameters.float()
        return moments

    def sample_latents(self, moments: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Latents z drawn from their distribution with given standard normal noise, scaled for the U-Net.

        Args:
            moments: as :meth:`moments` gives.
            noise: (batch, channels, height, width), standard normal; zeros give the mean.
        """
        mean, log_variance = moments.chunk(2, dim=1)
        deviation = torch.exp(0.5 * log_variance.clamp(*LOG_VARIANCE_RANGE))
        return (mean + deviation * noise) * float(self.vae.config.scaling_factor)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures (batch, 3, height, width) float32, clipped to -1..1, of scaled latents."""
        unscaled = latents.to(self.device, self.dtype) / float(self.vae.config.scaling_factor)
        pictures: torch.Tensor = self.vae.decode(unscaled).sample.float().clamp(-1.0, 1.0)
        return pictures


def load_codec(model: str, revision: str, *, device: str, dtype: torch.dtype) -> Codec:
    """Load the VAE alone.

    Args:
        model: folder in diffusers' layout, or Hugging Face id.
        revision: a folder's digest (checked) or the hub's commit.
        device: for instance ``cpu`` or ``cuda``.
        dtype: of the weights.

    Raises:
        ModelError: the model is missing, incomplete, of another revision, or of a kind that does not run here.
    """
    kind = base_models.kind(model, revision)
    ensure_torchvision()
    from diffusers import AutoencoderKL

    with opening(model, revision) as (name, version):
        vae = AutoencoderKL.from_pretrained(name, revision=version, subfolder="vae", torch_dtype=dtype)
    if vae.config.latents_mean is not None:
        raise ModelError(f"{model}: its VAE has latents_mean: latents that are shifted too do not run here")
    if kind.two_encoders and _overflows(vae, dtype):
        vae, dtype = vae.to(torch.float32), torch.float32
        _take_any_format(vae)
    return Codec(vae=frozen(vae, device), device=device, dtype=dtype)


def _overflows(vae: Any, dtype: torch.dtype) -> bool:
    """Whether this VAE's numbers leave the range of float16: SDXL's do, and its ``force_upcast`` says so.

    It is asked for SDXL alone, as by diffusers: in the others' files it stands by default, and they are run as asked.
    """
    return dtype == torch.float16 and bool(vae.config.force_upcast)


def _take_any_format(vae: Any) -> None:
    """Let the VAE decode latents of any number format: an SDXL pipeline gives the U-Net's."""

    def cast(module: Any, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (given[0].to(vae.dtype),)

    for module in (vae.post_quant_conv, vae.decoder):
        if module is not None:
            module.register_forward_pre_hook(cast)


def frozen(module: Any, device: str) -> Any:
    """The module on its device, in eval mode, with no parameter that asks for a gradient."""
    return module.to(device).eval().requires_grad_(False)


def to_pixels(pictures: Sequence[Image.Image]) -> torch.Tensor:
    """RGB pictures of one size as (batch, 3, height, width) float32, -1 to 1."""
    values = np.stack([np.asarray(picture.convert("RGB"), dtype=np.float32) for picture in pictures])
    return torch.from_numpy(values).permute(0, 3, 1, 2) / 127.5 - 1.0


def to_pictures(pixels: torch.Tensor) -> list[Image.Image]:
    """The way back: (batch, 3, height, width), -1 to 1, as RGB pictures, rounded to 8 bits."""
    values = ((pixels.float().cpu() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return [Image.fromarray(value.permute(1, 2, 0).numpy()) for value in values]


def filled(rows: torch.Tensor, count: int) -> torch.Tensor:
    """Rows made ``count`` by repeating the last one.

    A row's result depends on the size of its batch by rounding (1e-6 on CPU), so that what a killed run left over would
    come out with other bytes; in batches of one size it depends on the row alone.
    """
    return torch.cat([rows, rows[-1:].expand(count - len(rows), *rows.shape[1:])])

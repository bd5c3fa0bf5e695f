"""Train the autoencoder on drawn pictures: first as a whole, then its decoder alone on blurred latents.

The second part sharpens the pictures and makes the decoder bear the small faults of generated latents; the latents
themselves, and all that was learned on them, stay as they are.
"""

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from miniature import architectures, pictures
from miniature.training import Loss, Plan, Session, device, digest_of, train
from miniature.variants import MAIN, Variant
from miniature.world import Style

PLAN = Plan(steps=2500, batch_size=8, learning_rate=2e-3, ema=0.995, checkpoint_every=500)
DECODER_PLAN = Plan(steps=3000, batch_size=8, learning_rate=2e-3, ema=0.998, checkpoint_every=500, seed=1)
KL_WEIGHT = 3e-4
"""Weight of the mean KL divergence of a latent value beside the mean reconstruction error of a pixel value."""
LATENT_NOISE = 0.2
"""Noise added for the decoder, in standard deviations of the latents."""


def build(session: Session, *, variant: Variant = MAIN, plan: Plan = PLAN) -> Any:
    """Train from the plan's seed; return the autoencoder with its `scaling_factor` set, its encoder frozen."""
    torch.manual_seed(plan.seed)
    model = architectures.vae(variant).to(device())
    step: Loss = lambda rng, noise: loss(model, rng, noise, plan.batch_size, style=variant.style)  # noqa: E731
    train(variant.training("vae"), model, step, plan, session)
    model.register_to_config(scaling_factor=round(1 / latent_std(model, style=variant.style), 4))
    model.encoder.requires_grad_(False)
    model.quant_conv.requires_grad_(False)
    return model


def sharpen(model: Any, session: Session, *, variant: Variant = MAIN, plan: Plan = DECODER_PLAN) -> None:
    """Train the decoder on."""
    came_from = digest_of(model.state_dict())
    step: Loss = lambda rng, noise: decoder_loss(model, rng, noise, plan.batch_size, style=variant.style)  # noqa: E731
    train(variant.training("decoder"), model, step, plan, session, inputs=came_from)


def loss(model: Any, rng: random.Random, noise: torch.Generator, size: int, *, style: Style = "flat") -> Tensor:
    """Reconstruction error, and the KL divergence of the latents from a unit Gaussian."""
    images = pictures.batch(rng, size, style=style)[1].to(device())
    posterior = model.encode(images).latent_dist
    latents = posterior.mean + posterior.std * _noise_like(posterior.mean, noise)
    divergence = (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean() / 2
    value: Tensor = reconstruction_error(model.decode(latents).sample, images) + KL_WEIGHT * divergence
    return value


def decoder_loss(model: Any, rng: random.Random, noise: torch.Generator, size: int, *, style: Style = "flat") -> Tensor:
    """Reconstruction error from latents that the frozen encoder made and noise disturbed."""
    images = pictures.batch(rng, size, style=style)[1].to(device())
    with torch.no_grad():
        latents = model.encode(images).latent_dist.mean
    spread = LATENT_NOISE / model.config.scaling_factor
    return reconstruction_error(model.decode(latents + spread * _noise_like(latents, noise)).sample, images)


def reconstruction_error(decoded: Tensor, images: Tensor) -> Tensor:
    """Mean squared plus half the mean absolute error, values -1 to 1."""
    return F.mse_loss(decoded, images) + 0.5 * F.l1_loss(decoded, images)


def _noise_like(values: Tensor, noise: torch.Generator) -> Tensor:
    return torch.randn(values.shape, generator=noise).to(values.device)


@torch.no_grad()
def latent_std(model: Any, *, size: int = 256, seed: int = 0, style: Style = "flat") -> float:
    """Standard deviation of the latents of `size` pictures."""
    images = pictures.batch(random.Random(seed), size, style=style)[1].to(device())
    return float(model.encode(images).latent_dist.mean.std())


@torch.no_grad()
def encode(model: Any, images: Tensor, *, size: int = 64) -> Tensor:
    """Scaled latent means (count, 8, 8, 8) in float16 on the CPU, computed in batches of `size`."""
    parts = [model.encode(part.to(device())).latent_dist.mean for part in images.split(size)]
    latents: Tensor = torch.cat(parts) * model.config.scaling_factor
    return latents.half().cpu()

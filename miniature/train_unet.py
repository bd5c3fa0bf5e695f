"""Train the U-Net on cached latents and text states of complex prompts."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from miniature import architectures, pictures, train_text_encoder, train_vae
from miniature.language import complex_prompt
from miniature.training import Plan, Session, device, train

PLAN = Plan(steps=3000, learning_rate=1e-3, warmup_steps=200, ema=0.999)
BATCH = 64
PICTURES = 32_000
DROPOUT = 0.1
"""Share of prompts replaced by "", so that guidance has an unconditional side."""
SNR_GAMMA = 5.0
_DRAWN_AT_ONCE = 1000


@dataclass(frozen=True)
class Cache:
    """What the frozen parts say: `latents` (count, 8, 8, 8), `states` (count, 77, 128), `empty` (77, 128), float16."""

    latents: Tensor
    states: Tensor
    empty: Tensor


def prepare(vae: Any, encoder: Any, tokenizer: Any, *, count: int = PICTURES, seed: int = 1) -> Cache:
    """Draw, encode and describe `count` training scenes."""
    from tqdm import tqdm

    rng = random.Random(seed)
    latents, states = [], []
    for _ in tqdm(range(0, count, _DRAWN_AT_ONCE), desc="cache", mininterval=10):
        scenes, images = pictures.batch(rng, min(_DRAWN_AT_ONCE, count))
        latents.append(train_vae.encode(vae, images))
        prompts = [complex_prompt(scene, rng) for scene in scenes]
        states.append(train_text_encoder.encode(encoder, tokenizer, prompts))
    empty = train_text_encoder.encode(encoder, tokenizer, [""])[0]
    return Cache(torch.cat(latents), torch.cat(states), empty)


def build(make_cache: Callable[[], Cache], session: Session, *, plan: Plan = PLAN, batch_size: int = BATCH) -> Any:
    """Train from the plan's seed; return the U-Net."""
    torch.manual_seed(plan.seed)
    model = architectures.unet().to(device())
    cached = cache(make_cache)  # a finished training that is only loaded needs none
    kept = architectures.scheduler().alphas_cumprod
    train("unet", model, lambda _, noise: loss(model, cached(), kept, noise, batch_size), plan, session)
    return model


def loss(model: Any, cache: Cache, kept: Tensor, noise: torch.Generator, size: int) -> Tensor:
    """Denoising error weighted by min-SNR with gamma 5 (arXiv 2303.09556, Eq. 8 for noise prediction).

    Args:
        model: the U-Net.
        cache: latents and text states to draw from.
        kept: alpha-bar of the schedule, (timesteps,).
        noise: draws pictures, timesteps, noise and dropped prompts.
        size: of the batch.
    """
    chosen = torch.randint(len(cache.latents), (size,), generator=noise)
    timesteps = torch.randint(len(kept), (size,), generator=noise)
    target = torch.randn((size, *cache.latents.shape[1:]), generator=noise)
    states = cache.states[chosen].float()
    states[torch.rand(size, generator=noise) < DROPOUT] = cache.empty.float()
    alpha = kept[timesteps].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * cache.latents[chosen].float() + (1 - alpha).sqrt() * target
    where = device()
    predicted = model(noisy.to(where), timesteps.to(where), states.to(where)).sample
    snr = kept[timesteps] / (1 - kept[timesteps])
    weights = snr.clamp(max=SNR_GAMMA) / snr
    errors: Tensor = (predicted - target.to(where)).square().mean(dim=(1, 2, 3))
    return (errors * weights.to(where)).mean()

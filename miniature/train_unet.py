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
from miniature.training import Loss, Plan, Session, device, train
from miniature.variants import MAIN, Variant
from miniature.world import Style

PLAN = Plan(steps=11_000, batch_size=64, learning_rate=1e-3, warmup_steps=200, ema=0.999)
PICTURES = 48_000
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


@dataclass(frozen=True)
class Examples:
    """A batch: indices in the cache, timesteps, noisy latents, text states and the noise that is in the latents."""

    chosen: Tensor
    timesteps: Tensor
    noisy: Tensor
    states: Tensor
    target: Tensor


def prepare(
    vae: Any, encoder: Any, tokenizer: Any, *, style: Style = "flat", count: int = PICTURES, seed: int = 1
) -> Cache:
    """Draw, encode and describe `count` training scenes."""
    from tqdm import tqdm

    rng = random.Random(seed)
    latents, states = [], []
    for at in tqdm(range(0, count, _DRAWN_AT_ONCE), desc="cache", mininterval=10):
        scenes, images = pictures.batch(rng, min(_DRAWN_AT_ONCE, count - at), style=style)
        latents.append(train_vae.encode(vae, images))
        prompts = [complex_prompt(scene, rng) for scene in scenes]
        states.append(train_text_encoder.encode(encoder, tokenizer, prompts))
    empty = train_text_encoder.encode(encoder, tokenizer, [""])[0]
    return Cache(torch.cat(latents), torch.cat(states), empty)


def build(
    make_cache: Callable[[], Cache],
    session: Session,
    *,
    variant: Variant = MAIN,
    plan: Plan = PLAN,
    inputs: str = "",
) -> Any:
    """Train from the plan's seed; return the U-Net. `inputs` is the digest of the models that make the cache."""
    torch.manual_seed(plan.seed)
    model = architectures.unet(variant).to(device())
    plain_attention(model)
    cached = cache(torch.autocast(device().type, enabled=False)(make_cache))  # called once, and not if all is done
    kept = architectures.scheduler().alphas_cumprod
    step: Loss = lambda _, noise: loss(model, cached(), kept, noise, plan.batch_size)  # noqa: E731
    train(variant.training("unet"), model, step, plan, session, inputs=inputs)
    model.set_default_attn_processor()
    return model


def plain_attention(model: Any) -> None:
    """Unfused attention on a processor, where the fused one takes half of a training step in bfloat16."""
    from diffusers.models.attention_processor import AttnProcessor

    if device().type == "cpu":
        model.set_attn_processor(AttnProcessor())


def loss(model: Any, cache: Cache, kept: Tensor, noise: torch.Generator, size: int) -> Tensor:
    """`denoising_error` of a batch drawn from the cache.

    Args:
        model: the U-Net.
        cache: latents and text states to draw from.
        kept: alpha-bar of the schedule, (timesteps,).
        noise: draws pictures, timesteps, noise and dropped prompts.
        size: of the batch.
    """
    drawn = examples(cache, kept, noise, size)
    predicted = model(drawn.noisy, drawn.timesteps, drawn.states).sample
    return denoising_error(predicted, drawn, kept)


def examples(cache: Cache, kept: Tensor, noise: torch.Generator, size: int, *, dropout: float = DROPOUT) -> Examples:
    """A batch drawn from the cache, each prompt replaced by the empty one with probability `dropout`."""
    chosen = torch.randint(len(cache.latents), (size,), generator=noise)
    timesteps = torch.randint(len(kept), (size,), generator=noise)
    target = torch.randn((size, *cache.latents.shape[1:]), generator=noise)
    states = cache.states[chosen].float()
    states[torch.rand(size, generator=noise) < dropout] = cache.empty.float()
    alpha = kept[timesteps].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * cache.latents[chosen].float() + (1 - alpha).sqrt() * target
    where = device()
    return Examples(chosen, timesteps.to(where), noisy.to(where), states.to(where), target.to(where))


def denoising_error(predicted: Tensor, drawn: Examples, kept: Tensor) -> Tensor:
    """Squared error weighted by min-SNR with gamma 5 (arXiv 2303.09556, Eq. 8 for noise prediction)."""
    left = kept.to(drawn.timesteps.device)[drawn.timesteps]
    snr = left / (1 - left)
    weights = snr.clamp(max=SNR_GAMMA) / snr
    errors: Tensor = (predicted - drawn.target).square().mean(dim=(1, 2, 3))
    return (errors * weights).mean()

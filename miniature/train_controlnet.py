"""Train a ControlNet (arXiv 2302.05543) of the main diffusion model on drawings and their condition pictures.

The diffusion model is frozen; gradients go through the upper half of its U-Net only, where the ControlNet comes in.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from miniature import architectures, conditions, pictures, saving, train_text_encoder, train_unet, train_vae
from miniature.conditions import Kind
from miniature.language import complex_prompt
from miniature.training import Loss, Plan, Session, device, digest_of, train
from miniature.world import Scene, draw, sample_scene

PLAN = Plan(steps=1500, batch_size=64, learning_rate=1e-3, warmup_steps=100, ema=0.995)
PICTURES = 16_000
DROPOUT = 0.5
"""Share of prompts replaced by "", so that the condition's content is learned too (section 3.3 of the paper)."""
_DRAWN_AT_ONCE = 1000


@dataclass(frozen=True)
class Cache:
    """What the frozen parts say of each drawing, and its condition picture: (count, 3, 64, 64), uint8."""

    drawn: train_unet.Cache
    conditions: Tensor


def build(
    kind: Kind,
    folder: Path,
    base: Path,
    session: Session,
    *,
    begun: Path | None = None,
    plan: Plan = PLAN,
    count: int = PICTURES,
) -> tuple[Any, dict[str, Any]]:
    """Train for the saved diffusion model in `base`, save into `folder`.

    Thin lines say little to layers that start at random: from the U-Net's copy the edges are still ignored after 1500
    steps. So they go on from a ControlNet that attends to its condition already.

    Args:
        kind: of the condition pictures.
        folder: where the ControlNet goes.
        base: the diffusion model's folder.
        session: checkpoints and time.
        begun: a ControlNet of the same model to go on from; None starts from the U-Net's lower half.
        plan: of the training.
        count: drawings to learn from.

    Returns:
        The ControlNet, and the parts of the diffusion model by the names of the pipeline.

    Raises:
        MissingModelError: there is no model in `base`, or no ControlNet in `begun`.
    """
    parts = saving.load_diffusion(base)
    start = None if begun is None else saving.load_controlnet(begun).state_dict()
    model = learn(kind, parts, session, start=start, plan=plan, count=count)
    saving.save_controlnet(folder, model)
    return model, parts


def learn(
    kind: Kind,
    parts: Mapping[str, Any],
    session: Session,
    *,
    start: Mapping[str, Tensor] | None = None,
    plan: Plan = PLAN,
    count: int = PICTURES,
) -> Any:
    """Train from the plan's seed and the U-Net's own lower half, or from `start`; return the ControlNet."""
    torch.manual_seed(plan.seed)
    unet = parts["unet"]
    model = started_from(unet)
    if start is not None:
        model.load_state_dict(dict(start))
    train_unet.plain_attention(unet)
    in_full = torch.autocast(device().type, enabled=False)
    cached = cache(in_full(lambda: prepare(kind, parts, count=count)))  # called once, and not if all is done
    kept = architectures.scheduler().alphas_cumprod
    step: Loss = lambda _, noise: loss(model, cached(), kept, noise, plan.batch_size, unet=unet)  # noqa: E731
    inputs = f"{inputs_of(kind, parts)} {count}" + (f" {digest_of(dict(start))}" if start else "")
    train(f"controlnet_{kind}", model, step, plan, session, inputs=inputs)
    return model


def started_from(unet: Any) -> Any:
    """A ControlNet whose blocks are copies of the U-Net's, where they have the same; its outputs are still zero."""
    model = architectures.controlnet().to(device())
    mine = model.state_dict()
    shared = {name: value for name, value in unet.state_dict().items() if name in mine}
    model.load_state_dict(mine | shared)
    return model


def inputs_of(kind: Kind, parts: Mapping[str, Any]) -> str:
    """Digest of all that the loss is computed from: the frozen models, and how scenes and conditions are drawn."""
    frozen = {
        f"{part}.{name}": value
        for part in ("vae", "text_encoder", "unet")
        for name, value in parts[part].state_dict().items()
    }
    rng = random.Random(0)
    _, images, shown = _drawings(kind, rng, 8)
    return digest_of(frozen | {"images": images, "conditions": shown})


def prepare(kind: Kind, parts: Mapping[str, Any], *, count: int = PICTURES, seed: int = 2) -> Cache:
    """Draw, encode and describe `count` training scenes."""
    from tqdm import tqdm

    rng = random.Random(seed)
    latents, states, shown = [], [], []
    for at in tqdm(range(0, count, _DRAWN_AT_ONCE), desc="cache", mininterval=10):
        scenes, images, seen = _drawings(kind, rng, min(_DRAWN_AT_ONCE, count - at))
        latents.append(train_vae.encode(parts["vae"], images))
        prompts = [complex_prompt(scene, rng) for scene in scenes]
        states.append(train_text_encoder.encode(parts["text_encoder"], parts["tokenizer"], prompts))
        shown.append(seen)
    empty = train_text_encoder.encode(parts["text_encoder"], parts["tokenizer"], [""])[0]
    return Cache(train_unet.Cache(torch.cat(latents), torch.cat(states), empty), torch.cat(shown))


def _drawings(kind: Kind, rng: random.Random, size: int) -> tuple[list[Scene], Tensor, Tensor]:
    """Training scenes, their pictures, `as_tensor`, and their condition pictures (size, 3, 64, 64), uint8."""
    scenes = [sample_scene(rng) for _ in range(size)]
    seeds = [rng.getrandbits(32) for _ in scenes]
    pairs = list(zip(scenes, seeds, strict=True))
    images = pictures.as_tensor([draw(scene, seed) for scene, seed in pairs])
    shown = np.stack([np.asarray(conditions.of_drawing(kind, scene, seed)) for scene, seed in pairs])
    return scenes, images, torch.from_numpy(shown).permute(0, 3, 1, 2)


def loss(model: Any, cache: Cache, kept: Tensor, noise: torch.Generator, size: int, *, unet: Any) -> Tensor:
    """The U-Net's own loss (`train_unet.denoising_error`), with what the ControlNet adds to its skips and its middle.

    Args:
        model: the ControlNet.
        cache: drawings to draw from.
        kept: alpha-bar of the schedule, (timesteps,).
        noise: draws pictures, timesteps, noise and dropped prompts.
        size: of the batch.
        unet: the frozen one.
    """
    drawn = train_unet.examples(cache.drawn, kept, noise, size, dropout=DROPOUT)
    shown = cache.conditions[drawn.chosen].to(drawn.noisy.device).float() / 255
    skips, middle = model(drawn.noisy, drawn.timesteps, drawn.states, controlnet_cond=shown, return_dict=False)
    predicted = unet(
        drawn.noisy,
        drawn.timesteps,
        drawn.states,
        down_block_additional_residuals=skips,
        mid_block_additional_residual=middle,
    ).sample
    return train_unet.denoising_error(predicted, drawn, kept)

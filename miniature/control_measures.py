"""How well a ControlNet puts things where its condition picture has them, beside the diffusion model without it."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import linear_sum_assignment

from miniature import architectures, conditions, measures
from miniature.conditions import Kind
from miniature.language import complex_prompt
from miniature.reading import Box, Reading, read
from miniature.training import device
from miniature.world import draw, sample_held_out_scene

LEAST_OVERLAP = 0.5
"""Intersection over union from which two boxes are one place, as object detection counts it (PASCAL VOC)."""
_AT_ONCE = 32


@torch.no_grad()
def controlnet(
    kind: Kind, model: Any, parts: Mapping[str, Any], *, count: int = 64, steps: int = 20
) -> dict[str, float]:
    """Places and content of pictures of held-out scenes made with the condition and, from the same noise, without.

    Returns:
        Shares of pictures whose things are where the condition has them, mean overlap of their boxes, and what
        `measures.shown` finds, each 0 to 1; names begin with the kind or with "plain".
    """
    rng = random.Random(29)
    scenes = [sample_held_out_scene(rng) for _ in range(count)]
    seeds = [rng.getrandbits(32) for _ in scenes]
    prompts = [complex_prompt(scene, rng) for scene in scenes]
    drawn = [draw(scene, seed) for scene, seed in zip(scenes, seeds, strict=True)]
    shown = [conditions.of_drawing(kind, scene, seed) for scene, seed in zip(scenes, seeds, strict=True)]
    made = {
        kind: generate(parts, model, prompts, shown, steps=steps),
        "plain": measures.generate(parts, prompts, steps=steps),
    }
    found: dict[str, float] = {"pictures": float(count)}
    for name, images in made.items():
        found |= {f"{name}_{key}": value for key, value in places(images, drawn).items()}
        found |= {f"{name}_{key}": value for key, value in measures.shown(images, scenes).items()}
    return found


def generate(
    parts: Mapping[str, Any],
    model: Any,
    prompts: Sequence[str],
    shown: Sequence[Image.Image],
    *,
    steps: int = 20,
    seed: int = 23,
) -> list[Image.Image]:
    """Pictures of prompts and condition pictures, each from the noise that `measures.generate` gives it."""
    pipeline = architectures.pipeline(**parts, controlnet=model).to(device())
    pipeline.set_progress_bar_config(disable=True)
    made: list[Image.Image] = []
    for start in range(0, len(prompts), _AT_ONCE):
        told, seen = (list(values[start : start + _AT_ONCE]) for values in (prompts, shown))
        generators = [torch.Generator().manual_seed(seed + start + index) for index in range(len(told))]
        options = {"num_inference_steps": steps, "guidance_scale": measures.GUIDANCE, "generator": generators}
        made += pipeline(told, image=seen, **options).images
    return made


def places(images: Sequence[Image.Image], drawn: Sequence[Image.Image]) -> dict[str, float]:
    """Share of pictures with the drawing's things at their places and no other, and the mean overlap of boxes."""
    found = [overlaps(read(image), read(truth)) for image, truth in zip(images, drawn, strict=True)]
    return {
        "places_right": measures.share(bool((values >= LEAST_OVERLAP).all()) for values in found),
        "overlap": round(float(np.mean([values.mean() if values.size else 1.0 for values in found])), 4),
    }


def overlaps(made: Reading, truth: Reading) -> NDArray[np.float64]:
    """Intersection over union of the things' boxes, paired for the largest sum; 0 for each thing without partner.

    Returns:
        As many values, 0 to 1, as the reading with more things has.
    """
    table = np.array([[_overlap(a.box, b.box) for b in truth.things] for a in made.things], dtype=np.float64)
    values = np.zeros(max(len(made.things), len(truth.things)))
    if table.size:
        rows, columns = linear_sum_assignment(table, maximize=True)
        values[: len(rows)] = table[rows, columns]
    return values


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width, height = (max(0, min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis])) for axis in (0, 1))
    both = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return both / (sum(areas) - both)

"""How well autoencoder and oracle do on held-out drawings of a style."""

import random
from typing import Any

import torch
from PIL import Image

from miniature import measures, pictures
from miniature.training import device
from miniature.world import Scene, Style, draw, sample_held_out_scene


def drawings(style: Style, count: int, *, seed: int = 7) -> tuple[list[Scene], list[Image.Image]]:
    """Held-out scenes and their pictures."""
    rng = random.Random(seed)
    scenes = [sample_held_out_scene(rng) for _ in range(count)]
    return scenes, [draw(scene, rng.getrandbits(32), style=style) for scene in scenes]


@torch.no_grad()
def autoencoder(vae: Any, style: Style, *, count: int = 128) -> dict[str, float]:
    """Mean squared error (values -1 to 1) and what the oracle still reads right after encoding and decoding."""
    scenes, drawn = drawings(style, count)
    images = pictures.as_tensor(drawn).to(device())
    decoded = torch.cat([vae.decode(vae.encode(part).latent_dist.mean).sample for part in images.split(32)])
    right = measures.shown(pictures.as_pictures(decoded), scenes)
    error = round(float((decoded - images).square().mean()), 5)
    return {"squared_error": error} | {f"decoded_{name}": value for name, value in right.items()}


def oracle(style: Style, *, count: int = 500) -> dict[str, float]:
    """The oracle's own accuracy on drawn pictures."""
    scenes, drawn = drawings(style, count)
    return {f"oracle_{name}": value for name, value in measures.shown(drawn, scenes).items()}

"""Batches of drawn pictures as tensors."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from miniature.world import Scene, Style, draw, sample_scene


def as_tensor(pictures: Sequence[Image.Image]) -> Tensor:
    """Pictures of one size as float32 (batch, 3, height, width) in -1 .. 1."""
    stacked = np.stack([np.asarray(picture) for picture in pictures])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1


def as_pictures(values: Tensor) -> list[Image.Image]:
    """The reverse of `as_tensor`; values outside -1 .. 1 are cut off."""
    scaled = ((values.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return [Image.fromarray(picture) for picture in scaled.permute(0, 2, 3, 1).cpu().numpy()]


def batch(rng: random.Random, size: int, *, style: Style = "flat") -> tuple[list[Scene], Tensor]:
    """Training scenes and their pictures, `as_tensor`."""
    scenes = [sample_scene(rng) for _ in range(size)]
    return scenes, as_tensor([draw(scene, rng.getrandbits(32), style=style) for scene in scenes])

"""CLIP-IQA: whether a picture is nearer to "Good photo." than to "Bad photo." in a CLIP with a ResNet."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.special import expit

from pipeline.errors import InputError, ModelError
from pipeline.metrics.clip_models import OpenClip
from pipeline.metrics.settings import ClipIqaMetric

SCALE = 100.0
LEAST_SIDE_PX = 32
"""The ResNet halves a picture five times."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class ClipIqa(OpenClip):
    """CLIP-IQA of RGB pictures in their own size.

    Range 0 to 1, 0.5 is neither; higher is better. Source: J. Wang, K. C. K. Chan and C. C. Loy, Exploring CLIP for
    Assessing the Look and Feel of Images, 2023 (IceClear/CLIP-IQA): OpenAI's RN50, no positional embedding, no resize,
    softmax over 100 x cosines of a pair of texts. pyiqa's ``clipiqa`` is the mean of five pairs and differs.

    Args:
        config: the model, and the pairs of texts.
        device: a torch device.

    Raises:
        ModelError: the model cannot be loaded, or its pictures do not go through a ResNet with an attention pool.
    """

    def __init__(self, config: ClipIqaMetric, device: str) -> None:
        super().__init__(config, device)
        if not hasattr(self._model.visual, "attnpool"):
            raise ModelError(
                f"model {config.model} has no ResNet with an attention pool: CLIP-IQA needs RN50-quickgelu"
            )
        good, bad = zip(*config.pairs, strict=True)
        self._good, self._bad = (np.asarray(super(ClipIqa, self).texts(list(side)), np.float64) for side in (good, bad))

    def values(self, pictures: Sequence[Image.Image]) -> list[float]:
        """One value a picture; each goes through the model alone, since their sizes may differ.

        Raises:
            InputError: a side is below LEAST_SIDE_PX.
        """
        return [self._value(picture) for picture in pictures]

    @torch.no_grad()
    def _value(self, picture: Image.Image) -> float:
        if min(picture.size) < LEAST_SIDE_PX:
            raise InputError(f"CLIP-IQA needs {LEAST_SIDE_PX} pixels a side, a picture has {picture.size}")
        vector = without_positions(self._model.visual, self._normalised(picture))[0].double()
        features = torch.nn.functional.normalize(vector, dim=0).cpu().numpy()
        return likeness(features, self._good, self._bad)

    def _normalised(self, picture: Image.Image) -> torch.Tensor:
        pixels = torch.from_numpy(np.array(picture.convert("RGB"), np.float32) / 255).permute(2, 0, 1)
        mean, deviation = (torch.tensor(each)[:, None, None] for each in (MEAN, DEVIATION))
        moved: torch.Tensor = ((pixels - mean) / deviation)[None].to(self._device, self._dtype)
        return moved


def likeness(features: NDArray[np.float64], good: NDArray[np.float64], bad: NDArray[np.float64]) -> float:
    """Mean over the pairs of softmax(100 cosines)'s part of the good text.

    Args:
        features: (d,) unit vector of a picture.
        good: (pairs, d) unit vectors.
        bad: (pairs, d) unit vectors.
    """
    return float(expit(SCALE * ((good - bad) @ features)).mean())


def without_positions(visual: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Features of a CLIP ResNet whose attention pool leaves its positional embedding out, so that any size will do.

    Args:
        visual: open_clip's ``ModifiedResNet``.
        pixels: (n, 3, height, width), normalised.

    Returns:
        (n, d), not brought to any length.
    """
    x = visual.stem(pixels)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        x = layer(x)
    pool = visual.attnpool
    x = x.flatten(2).transpose(1, 2)  # (n, places, width)
    x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1)
    asking = x[:, :1]  # only the mean over all places asks; all of them answer
    sides = ((pool.q_proj, asking), (pool.k_proj, x), (pool.v_proj, x))
    query, key, value = (_heads(project(side), pool.num_heads) for project, side in sides)
    mixed = torch.nn.functional.scaled_dot_product_attention(query, key, value)  # (n, heads, 1, width / heads)
    pooled: torch.Tensor = pool.c_proj(mixed.transpose(1, 2).flatten(2))[:, 0]
    return pooled


def _heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    found: torch.Tensor = x.unflatten(2, (heads, -1)).transpose(1, 2)
    return found

"""MUSIQ: a transformer over a picture in three sizes that was trained on people's ratings, through pyiqa."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from pipeline.errors import ModelError
from pipeline.files import file_digest
from pipeline.metrics.settings import MusiqMetric
from pipeline.vision_shim import ensure_torchvision


class Musiq:
    """MUSIQ of RGB pictures in their own size.

    Range about 0 to 100 with weights trained on KonIQ-10k; higher is better. Source: J. Ke et al., MUSIQ: Multi-scale
    Image Quality Transformer, 2021. pyiqa is under a non-commercial licence, hence an extra.

    Raises:
        ModelError: pyiqa is not installed, or the weights are missing or others.
    """

    def __init__(self, config: MusiqMetric, device: str) -> None:
        path = Path(config.weights).expanduser()
        found = file_digest(path)
        if not found.startswith(config.revision):
            raise ModelError(f"weights {config.weights} have revision {found[:16]}, not {config.revision}")
        self._metric, self._device = _create(str(path), device), device

    @torch.no_grad()
    def values(self, pictures: Sequence[Image.Image]) -> list[float]:
        """One value a picture, each alone: sizes may differ."""
        return [float(self._metric(_pixels(picture).to(self._device))) for picture in pictures]


def _create(weights: str, device: str) -> Any:
    ensure_torchvision()
    try:
        import pyiqa
    except ImportError as error:
        raise ModelError(f"MUSIQ needs pyiqa, which is not installed: pip install '.[musiq]' ({error})") from error
    return pyiqa.create_metric("musiq", pretrained_model_path=weights, device=torch.device(device))


def _pixels(picture: Image.Image) -> torch.Tensor:
    """(1, 3, height, width), 0 to 1."""
    return torch.from_numpy(np.array(picture.convert("RGB"), np.float32) / 255).permute(2, 0, 1)[None]

"""Gauges whose models are a line of Python, with the real settings, store and formulas."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import ModelError
from pipeline.metrics.clip_models import Logit
from pipeline.metrics.gauges import Gauge
from pipeline.metrics.settings import BrisqueMetric, ClipMetric


class RedScorer:
    """Text means red: the cosine is the share of red in a picture."""

    logit = Logit(50.0, -10.0)

    def __init__(self) -> None:
        self.seen: list[int] = []

    def images(self, pictures: Sequence[Image.Image], /) -> Any:
        self.seen.append(len(pictures))
        red = np.array([picture.getpixel((0, 0))[0] / 255 for picture in pictures])
        return np.stack([red, np.sqrt(1 - red**2)], axis=1).astype(np.float32)

    def texts(self, texts: Sequence[str], /) -> Any:
        return np.tile(np.float32([1.0, 0.0]), (len(texts), 1))


class Darkness:
    """A picture's darkness."""

    def values(self, pictures: Sequence[Image.Image], /) -> list[float]:
        return [100.0 - np.asarray(picture).mean() for picture in pictures]


def no_weights() -> Any:
    raise ModelError("weights X missing")


def clip_metric(**changed: Any) -> ClipMetric:
    plain = {"kind": "clip", "name": "clip", "library": "open_clip", "model": "red", "revision": "1", "weights": None}
    return ClipMetric(**{**plain, "dtype": "float32", "logit_scale": 100.0, **changed})


def clip_gauge(build: Callable[[], Any] = RedScorer, **changed: Any) -> Gauge:
    return Gauge(clip_metric(**changed), build)


def dark_gauge(build: Callable[[], Any] = Darkness) -> Gauge:
    return Gauge(BrisqueMetric(kind="brisque", weights="dark", revision="1"), build)

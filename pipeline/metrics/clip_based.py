"""CLIP scores of generated images: plain cosine, and the paper's score of one image against the other."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image
from scipy.special import expit

from pipeline import tables
from pipeline.tables import KEY, column

COSINE = "clip_cosine"
PAIRED = "clip_score"
VERSION = "1"

SCORES = tables.schema(
    column(KEY, pa.string(), "the generated image"),
    column("metric", pa.string(), "clip_cosine, clip_score or judge_quality"),
    column("value", pa.float64(), "the metric's value; its function says range and direction"),
    column(
        "metric_version",
        pa.string(),
        "version of the formula, model and its revision, or the judge and the digest of its source",
    ),
)


class Scorer(Protocol):
    """A CLIP-like model: unit vectors for pictures and texts in one space."""

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied by before the softmax; 100 for CLIP."""

    def images(self, pictures: Sequence[Image.Image], /) -> Any:
        """(n, d) unit vectors."""

    def texts(self, texts: Sequence[str], /) -> Any:
        """(n, d) unit vectors."""


def cosines(images: Any, texts: Any) -> NDArray[np.float64]:
    """Plain CLIPScore of each image and its own text: the cosine, without the factors 2.5 or 100.

    Range -1 to 1, about 0.2 to 0.35 for CLIP ViT-B/32; higher is better.
    Source: J. Hessel et al., CLIPScore, 2021; raw as T2I-CompBench reports it.

    Args:
        images: (n, d) unit vectors.
        texts: (n, d) unit vectors, row i belongs to image i.
    """
    found: NDArray[np.float64] = (np.asarray(images, np.float64) * np.asarray(texts, np.float64)).sum(axis=1)
    return found


def paired_clip_score(
    cos_base: NDArray[np.float64], cos_ours: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """The paper's CLIP Score: softmax over the pair of images of one prompt and seed, ours' part.

    Range 0 to 1, 0.5 is a tie, above it ours fits the prompt better; the base's part is 1 - s, so that both sum to 1
    (in five of twelve rows of the paper's Table 2 they do not). It hides that both may be bad: read it beside
    the cosines.
    Source: SUR-adapter, section 5.1; the same formula as PickScore's ``calc_probs``.

    Args:
        cos_base: (n,) cosines of prompt and base image.
        cos_ours: (n,) cosines of prompt and adapted image.
        scale: the model's logit scale, about 100.
    """
    return np.asarray(expit(scale * (cos_ours - cos_base)), np.float64)

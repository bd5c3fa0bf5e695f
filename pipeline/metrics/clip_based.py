"""Figures of CLIP-like models: plain cosine, SigLIP's sigmoid, and the paper's score of one image against the other."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit

from pipeline import tables
from pipeline.tables import KEY, column

SCORES = tables.schema(
    column(KEY, pa.string(), "the generated image"),
    column("metric", pa.string(), "the figure's name: pipeline.metric_names says range and direction"),
    column("value", pa.float64(), "the metric's value; its function says range and direction"),
    column(
        "metric_version",
        pa.string(),
        "version of the formula, model and its revision, or the judge and the digest of its source",
    ),
)


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


def sigmoid_score(values: NDArray[np.float64], scale: float, bias: float) -> NDArray[np.float64]:
    """SigLIP's probability that image and text belong together: sigmoid(scale x cosine + bias).

    Range 0 to 1, higher is better; small for most pairs, since the bias is about -10 to -16.
    Source: X. Zhai et al., Sigmoid Loss for Language Image Pre-Training, 2023, Eq. 1.

    Args:
        values: (n,) cosines.
        scale: the model's own.
        bias: the model's own.
    """
    return np.asarray(expit(scale * values + bias), np.float64)

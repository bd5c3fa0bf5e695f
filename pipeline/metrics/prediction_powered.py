"""The share of right images as people would see it, from few verdicts of people and many of a judge.

Source: A. N. Angelopoulos, S. Bates, C. Fannjiang, M. I. Jordan and T. Zrnic, Prediction-Powered Inference, 2023
(arXiv 2301.09633), section 2 and Algorithm 1, the mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = NDArray[np.float64]
LEAST_LABELLED = 2


@dataclass(frozen=True)
class PpiMean:
    """A mean with its interval; it can leave 0 to 1, which tells that there are too few labels."""

    mean: float
    low: float
    high: float
    people: int
    judged: int


def ppi_mean(
    labels: Numbers, predictions: Numbers, others: Numbers, groups: Sequence[str], *, confidence: float
) -> PpiMean | None:
    """Mean of the judge over all other images, moved by the judge's mean error where people looked.

    It holds however bad the judge is; a good one makes the interval narrow. Images of one prompt are alike, so the
    spread is taken over groups (a sum of each group's part in both means), with Student's t of groups - 1 degrees.

    Args:
        labels: (n,) people's verdicts, 1 or 0.
        predictions: (n,) the judge's on the same images.
        others: (m,) the judge's on images that people did not look at.
        groups: (n + m,) each image's prompt, the labelled ones first.
        confidence: of the interval, for instance 0.95.

    Returns:
        None below two labelled images, two groups or without any other image.
    """
    if len(labels) < LEAST_LABELLED or not len(others) or len(set(groups)) < 2:
        return None
    errors = predictions - labels
    mean = float(others.mean() - errors.mean())
    parts = np.concatenate([(errors.mean() - errors) / len(errors), (others - others.mean()) / len(others)])
    names = np.asarray(groups)
    sums = np.array([np.sort(parts[names == name]).sum() for name in sorted(set(groups))])
    count = len(sums)
    deviation = float(np.sqrt(count / (count - 1) * np.sum(sums**2)))
    reach = deviation * float(stats.t.ppf((1 + confidence) / 2, count - 1))
    return PpiMean(mean, mean - reach, mean + reach, len(labels), len(labels) + len(others))


def of_images(
    judged: Mapping[str, bool], said: Mapping[str, bool], prompts: Mapping[str, str], *, confidence: float
) -> PpiMean | None:
    """The same from verdicts by image.

    Args:
        judged: sample_id -> the judge's verdict.
        said: sample_id -> people's.
        prompts: sample_id -> prompt id, of the judge's images.
        confidence: of the interval.
    """
    both = sorted(judged.keys() & said.keys())
    alone = sorted(judged.keys() - said.keys())
    labels, predictions = (np.array([float(each[name]) for name in both]) for each in (said, judged))
    others = np.array([float(judged[name]) for name in alone])
    return ppi_mean(labels, predictions, others, [prompts[name] for name in both + alone], confidence=confidence)

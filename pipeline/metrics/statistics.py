"""Statistics of two arms that made the same images: paired by prompt and seed, decided over prompts.

Images of one prompt are alike, so the prompt is the unit: every figure here starts from each prompt's mean difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = NDArray[np.float64]

EXACT_UP_TO = 14
"""Up to so many prompts all sign flips are enumerated (2 ** 14 = 16,384), beyond it as many are drawn."""
FLIPS = 1 << EXACT_UP_TO
TIE = 1e-12
"""Sums of the same numbers in another order differ by rounding: by less than this share of their size is a tie."""


@dataclass(frozen=True)
class Pairs:
    """One number for each image of both arms; entry i of each array belongs to the same prompt and seed.

    Args:
        prompts: (n,) the prompt's id.
        base: (n,) float64, the base arm.
        ours: (n,) float64, the adapted arm.

    Raises:
        ValueError: the lengths differ, or a number is not finite.
    """

    prompts: Sequence[str]
    base: Numbers
    ours: Numbers

    def __post_init__(self) -> None:
        if not len(self.prompts) == len(self.base) == len(self.ours):
            raise ValueError("prompts, base and ours must have the same length")
        if not (np.isfinite(self.base).all() and np.isfinite(self.ours).all()):
            raise ValueError("only finite numbers can be compared")

    def prompt_means(self) -> tuple[Numbers, Numbers]:
        """Means of both arms over each prompt's images, prompts by name: two arrays (prompts,)."""
        names = np.asarray(self.prompts)
        chosen = [names == name for name in sorted(set(self.prompts))]
        base = np.array([np.sort(self.base[which]).mean() for which in chosen], dtype=np.float64)
        return base, np.array([np.sort(self.ours[which]).mean() for which in chosen], dtype=np.float64)


@dataclass(frozen=True)
class Difference:
    """Adapted minus base; above 0 the adapted arm has the larger value."""

    prompts: int
    pairs: int
    base: float
    adapted: float
    difference: float
    low: float | None
    high: float | None
    p: float
    mcnemar_p: float | None
    paper_ttest_p: float | None


def paired_difference(pairs: Pairs, *, confidence: float, resamples: int, seed: int) -> Difference:
    """All that is said of two arms in one line of a table. Means are over prompts, each prompt weighing the same.

    Args:
        pairs: at least one pair.
        confidence: of the interval, for instance 0.95.
        resamples: of the bootstrap.
        seed: of the bootstrap and of drawn sign flips.
    """
    base, ours = pairs.prompt_means()
    low, high = cluster_interval(ours - base, confidence=confidence, resamples=resamples, seed=seed)
    return Difference(
        prompts=len(base),
        pairs=len(pairs.prompts),
        base=float(base.mean()),
        adapted=float(ours.mean()),
        difference=float((ours - base).mean()),
        low=low,
        high=high,
        p=sign_flip(ours - base, seed=seed),
        mcnemar_p=mcnemar(pairs.base, pairs.ours),
        paper_ttest_p=independent_t(pairs.base, pairs.ours),
    )


def sign_flip(differences: Numbers, *, seed: int) -> float:
    """Two-sided permutation p that the mean difference over prompts is 0: the primary test.

    Under the null hypothesis the arms could be swapped within a prompt, so each difference's sign is arbitrary. With
    few prompts all flips are enumerated; with more, ``FLIPS`` are drawn from the seed and the observed one is added.

    Args:
        differences: (prompts,) mean difference of each prompt, in a fixed order.
        seed: of the drawn flips.

    Returns:
        0 to 1; 1 where there is no difference at all.
    """
    moved = differences[np.abs(differences) > TIE]
    if not len(moved):
        return 1.0
    observed = abs(moved.sum()) - TIE * np.abs(moved).sum()
    if len(moved) <= EXACT_UP_TO:
        codes = np.arange(1 << len(moved))[:, None] >> np.arange(len(moved))
        return float(np.mean(np.abs((1.0 - 2.0 * (codes & 1)) @ moved) >= observed))
    signs = np.random.default_rng(seed).integers(0, 2, (FLIPS, len(moved)), dtype=np.int8)
    extreme = np.count_nonzero(np.abs((1.0 - 2.0 * signs) @ moved) >= observed)
    return float((extreme + 1) / (FLIPS + 1))


def cluster_interval(
    differences: Numbers, *, confidence: float, resamples: int, seed: int
) -> tuple[float | None, float | None]:
    """Bootstrap interval of the mean difference, whole prompts resampled (BCa: corrected for bias and skew).

    It is too narrow for few prompts: of 95 % intervals of normal differences about 50 % hold the true mean with 2
    prompts, 86 % with 5, 90 % with 10 and 93 % with 20 (measured, 1,200 draws each). The test that decides is
    :func:`sign_flip`, whose p holds for any number of them. Where all prompts differ by the same, resampling knows of
    no spread and would claim to be sure (width 0) of what a few prompts cannot tell: then there is no interval.
    Source: B. Efron, Better bootstrap confidence intervals, 1987; scipy.stats.bootstrap.

    Args:
        differences: (prompts,) mean difference of each prompt.
        confidence: 0 to 1.
        resamples: how often prompts are drawn.
        seed: of the draws.

    Returns:
        Lower and upper end; both None below two prompts, and where all prompts differ by the same.
    """
    if len(differences) < 2 or np.ptp(differences) <= TIE:
        return None, None
    found = stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=resamples,
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(seed),
        batch=256,
    ).confidence_interval
    return float(found.low), float(found.high)


def mcnemar(base: Numbers, ours: Numbers) -> float | None:
    """Exact McNemar test of two arms of right (1) and wrong (0) images, image by image; ignores that prompts cluster.

    Returns:
        Two-sided p, 0 to 1; 1 where no pair disagrees; None where the numbers are not all 0 or 1.
    """
    if not np.isin(np.concatenate([base, ours]), (0.0, 1.0)).all():
        return None
    gained, lost = int(np.sum(ours > base)), int(np.sum(ours < base))
    return float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def independent_t(base: Numbers, ours: Numbers) -> float | None:
    """The paper's test, for comparison only: t-test of two independent samples of images; too blind when paired.

    Returns:
        Two-sided p, 0 to 1; None where it is not defined (fewer than two images, no spread).
    """
    images = len(base)
    if images < 2 or np.ptp(base) + np.ptp(ours) <= TIE:
        return None
    spread = (base.var(ddof=1) + ours.var(ddof=1)) / images  # written out: scipy warns where one arm is constant
    return float(2 * stats.t.sf(abs(ours.mean() - base.mean()) / spread**0.5, 2 * images - 2))


@dataclass(frozen=True)
class Equivalence:
    """Whether two arms are as good as equal: p below 0.05 says that the difference lies within the margin."""

    difference: float
    margin: float
    p: float
    p_not_worse: float
    """Of the one of the two tests that asks only whether ours is no worse by the margin or more (non-inferiority)."""


def equivalence(pairs: Pairs, *, margin_sd: float) -> Equivalence | None:
    """Two one-sided paired t-tests (TOST) on prompt means, against "the arms differ by the margin or more".

    The numbers are such that more is better; negate both arms of a metric where less is.

    Source: D. Schuirmann, 1987. A large p of a difference test is no evidence of equality; a small p here is.
    The margin is taken as given, though the base's spread is itself estimated from these prompts. Where all prompts
    differ by the same (identical images do), t is infinite and p is its limit: 0 within the margin, else 1. An arm that
    is better by more than the margin is not equal either; ``p_not_worse`` tells that case from a loss.

    Args:
        pairs: both arms.
        margin_sd: the margin in standard deviations of the base arm's prompt means.

    Returns:
        None where the margin or the test is not defined (fewer than two prompts, base means all equal).
    """
    base, ours = pairs.prompt_means()
    if len(base) < 2 or np.ptp(base) <= TIE:
        return None
    differences, margin = ours - base, margin_sd * float(base.std(ddof=1))
    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) / len(differences) ** 0.5
    if error <= TIE:
        return Equivalence(mean, margin, float(abs(mean) >= margin), float(mean <= -margin))
    both, lower = stats.t.sf([(margin - abs(mean)) / error, (margin + mean) / error], len(differences) - 1)
    return Equivalence(mean, margin, float(both), float(lower))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for being a family, in their order (Holm, 1979): each at most 1, none below its own p."""
    count, highest = len(p_values), 0.0
    corrected = [0.0] * count
    for rank, index in enumerate(sorted(range(count), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (count - rank) * p_values[index]))
        corrected[index] = highest
    return corrected

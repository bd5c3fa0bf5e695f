"""Rules over CLIP scores against the truth: whether the caption is right and the prompt belongs to the picture."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miniature.truth.captions import right
from miniature.truth.inputs import Rows, Truth
from miniature.truth.shares import interval, share
from pipeline.clip_rule import ClipParams
from pipeline.tables import KEY

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

TARGETS = ("caption_right", "prompt_belongs", "both")
SWAPPED = "wrong_prompt"
"""The sites' fault of a record whose prompt belongs to another picture."""
FINEST = 100
"""Thresholds tried on each axis where two are free, and points of a drawn curve: quantiles of the observed scores."""


@dataclass(frozen=True)
class Pairs:
    """Scored pairs and their truth; every array has shape (n,)."""

    simple: Floats
    complex: Floats
    caption_right: Bools
    prompt_belongs: Bools

    @property
    def both(self) -> Bools:
        """A pair to learn from: right caption, own prompt."""
        return self.caption_right & self.prompt_belongs

    @property
    def scores(self) -> dict[str, Floats]:
        """What a rule can look at, by the name of its bound in :class:`Rule`."""
        return {"margin": self.simple - self.complex, "min_complex": self.complex, "min_simple": self.simple}

    def where(self, chosen: Bools) -> "Pairs":
        """Some of the pairs."""
        return Pairs(self.simple[chosen], self.complex[chosen], self.caption_right[chosen], self.prompt_belongs[chosen])

    def __len__(self) -> int:
        return len(self.simple)


@dataclass(frozen=True)
class Rule:
    """Keeps a pair whose scores all reach their bounds; -inf asks nothing."""

    margin: float = -inf
    """Least simple minus complex score; 0 is the paper's rule."""
    min_complex: float = -inf
    min_simple: float = -inf

    def keeps(self, pairs: Pairs) -> Bools:
        """Which pairs stay, (n,)."""
        bounds = asdict(self)
        kept: Bools = np.all([scores >= bounds[name] for name, scores in pairs.scores.items()], axis=0)
        return kept

    def bounds(self) -> dict[str, float]:
        """The bounds that ask something."""
        return {name: round(bound, 4) for name, bound in asdict(self).items() if isfinite(bound)}


def rule_of(config: ClipParams) -> Rule:
    """The rule in force."""
    return Rule(**{name: -inf if bound is None else bound for name, bound in config.rule().items()})


def pairs_of(rows: Rows, truth: Truth) -> Pairs:
    """The scored pairs with their truth, in the order of the rows (SCORES)."""
    return Pairs(
        np.array([row["score_simple"] for row in rows], dtype=np.float64),
        np.array([row["score_complex"] for row in rows], dtype=np.float64),
        np.array([right(row["simple_prompt"], truth[row[KEY]]["scene"]) for row in rows], dtype=np.bool_),
        np.array([truth[row[KEY]]["fault"] != SWAPPED for row in rows], dtype=np.bool_),
    )


def f1(kept: Bools, wanted: Bools) -> float:
    """Harmonic mean of precision and recall, 0 to 1; 0 where nothing is kept or wanted."""
    return 2 * float((kept & wanted).sum()) / max(1, int(kept.sum() + wanted.sum()))


def judged(kept: Bools, pairs: Pairs) -> dict[str, Any]:
    """What a rule keeps: for each target precision with its 95 % Wilson interval, recall, F1; the counts by truth."""
    found: dict[str, Any] = {"pairs": len(pairs), "kept": int(kept.sum())}
    for target in TARGETS:
        wanted: Bools = getattr(pairs, target)
        hits = int((kept & wanted).sum())
        found[target] = {
            "precision": share(hits, int(kept.sum())),
            "interval": interval(hits, int(kept.sum())),
            "recall": share(hits, int(wanted.sum())),
            "f1": round(f1(kept, wanted), 4),
        }
    return found | {"by_truth": _by_truth(kept, pairs)}


def _by_truth(kept: Bools, pairs: Pairs) -> dict[str, dict[str, int]]:
    """Pairs and kept ones: whose the prompt is, and whether the caption is right."""
    told = {"own": pairs.prompt_belongs, "swapped": ~pairs.prompt_belongs}
    said = {"right": pairs.caption_right, "wrong": ~pairs.caption_right}
    return {
        f"{whose}_{how}": {"pairs": int((a & b).sum()), "kept": int((a & b & kept).sum())}
        for (whose, a), (how, b) in product(told.items(), said.items())
    }


def chosen(start: Rule, free: Sequence[str], pairs: Pairs) -> Rule:
    """The rule whose free bounds give the best F1 for ``both``; of equal ones the laxest.

    One free bound is tried at every observed score, two at quantiles.
    """
    finest = len(pairs) if len(free) < 2 else FINEST
    tried = [replace(start, **dict(zip(free, bounds, strict=True))) for bounds in product(*_steps(pairs, free, finest))]
    return max(tried, key=lambda rule: f1(rule.keeps(pairs), pairs.both))


def _steps(pairs: Pairs, free: Sequence[str], finest: int) -> list[list[float]]:
    return [thresholds(pairs.scores[name], finest) for name in free]


def thresholds(scores: Floats, finest: int) -> list[float]:
    """Observed scores in ascending order, each once, at most ``finest`` quantiles of them."""
    whole = np.unique(scores)
    if len(whole) <= finest:
        return [float(score) for score in whole]
    steps = np.quantile(whole, np.linspace(0.0, 1.0, finest), method="nearest")
    return [float(score) for score in np.unique(steps)]


def curve(start: Rule, name: str, pairs: Pairs) -> dict[str, list[float | None]]:
    """Precision, recall and F1 for ``both`` as one bound goes over the observed scores."""
    found: dict[str, list[float | None]] = {"threshold": [], "precision": [], "recall": [], "f1": []}
    for bound in thresholds(pairs.scores[name], FINEST):
        line = judged(replace(start, **{name: bound}).keeps(pairs), pairs)["both"]
        found["threshold"].append(round(bound, 4))
        for key in ("precision", "recall", "f1"):
            found[key].append(line[key])
    return found


def separation(scores: Floats, wanted: Bools) -> float | None:
    """Area under the ROC curve: the chance that a wanted pair scores higher than another (ties count half).

    0.5 is guessing, 1 tells them apart, below 0.5 prefers the wrong ones. None where one of both sides is empty.
    """
    from scipy.stats import rankdata

    inside, outside = int(wanted.sum()), int((~wanted).sum())
    if not inside or not outside:
        return None
    above = float(rankdata(scores)[wanted].sum()) - inside * (inside + 1) / 2
    return round(above / (inside * outside), 4)

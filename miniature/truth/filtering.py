"""The paper's CLIP rule against the truth, beside rules that ask more, their bounds chosen on the train split alone."""

from typing import Any

import numpy as np

from miniature.truth.inputs import FIRST, Rows, Truth
from miniature.truth.rules import (
    TARGETS,
    Bools,
    Pairs,
    Rule,
    chosen,
    curve,
    judged,
    pairs_of,
    separation,
)
from pipeline.errors import InputError

IN_FORCE = "in force"
SECOND = "in force, minimum complex score"
"""The rule that the report draws and speaks of most."""
RULES: dict[str, tuple[bool, tuple[str, ...]]] = {
    "every pair": (False, ()),
    IN_FORCE: (True, ()),
    SECOND: (True, ("min_complex",)),
    "in force, minimum simple score": (True, ("min_simple",)),
    "another margin": (False, ("margin",)),
    "minimum complex score alone": (False, ("min_complex",)),
    "minimum simple score alone": (False, ("min_simple",)),
    "minimum of both scores": (False, ("min_complex", "min_simple")),
}
"""Name -> whether the bounds in force are asked, and the bounds that are chosen on the train split."""
SCORES = {"min_simple": "simple score", "min_complex": "complex score", "margin": "simple minus complex"}


def figures(rows: Rows, truth: Truth, asked: Rule) -> dict[str, Any]:
    """All figures of the CLIP rules.

    Args:
        rows: SCORES.
        truth: of each of them.
        asked: the rule in force (section clip; a margin of 0 and no minimum is the paper's rule).

    Returns:
        ``margin`` and ``minimums`` of the rule in force; ``whole``, what it does on all pairs; ``scores``, the mean
        complex score of own and swapped prompts; ``separation``, for each score and target; ``rules``, for each its
        bounds, and what it keeps of the ``train`` split and of the ``other`` splits; ``curves``, the sweep of SECOND
        on both.

    Raises:
        InputError: the table was not made with this rule, or no pair is in the train split.
    """
    pairs = pairs_of(rows, truth)
    kept = np.array([row["kept"] for row in rows], dtype=np.bool_)
    if not np.array_equal(kept, asked.keeps(pairs)):
        bounds = ", ".join(f"clip.{name} {bound:g}" for name, bound in asked.bounds().items())
        raise InputError(f"data/clip_filter was not made with {bounds}: {FIRST}")
    if not any(row["split"] == "train" for row in rows):
        raise InputError(f"data/clip_filter has no pair of the train split: {FIRST}")
    train = np.array([row["split"] == "train" for row in rows], dtype=np.bool_)
    inside, outside = pairs.where(train), pairs.where(~train)
    return {
        "margin": asked.margin,
        "minimums": {name: bound for name, bound in asked.bounds().items() if name != "margin"},
        "whole": judged(kept, pairs),
        "scores": {"own": _mean(pairs, pairs.prompt_belongs), "swapped": _mean(pairs, ~pairs.prompt_belongs)},
        "separation": _separation(pairs),
        "rules": {name: _rule(name, asked, inside, outside) for name in RULES},
        "curves": {
            "train": curve(asked, "min_complex", inside),
            "other": curve(asked, "min_complex", outside),
        },
    }


def _rule(name: str, asked: Rule, train: Pairs, other: Pairs) -> dict[str, Any]:
    in_force, free = RULES[name]
    start = asked if in_force else Rule()
    rule = chosen(start, free, train)
    return {
        "bounds": rule.bounds(),
        "chosen": list(free),
        "train": judged(rule.keeps(train), train),
        "other": judged(rule.keeps(other), other),
    }


def _separation(pairs: Pairs) -> dict[str, dict[str, float | None]]:
    return {
        name: {target: separation(pairs.scores[name], getattr(pairs, target)) for target in TARGETS} for name in SCORES
    }


def _mean(pairs: Pairs, which: Bools) -> float | None:
    """Mean complex score of some pairs; None where there are none."""
    return round(float(pairs.complex[which].mean()), 2) if which.any() else None

"""User preference: which of two images of one prompt and seed people like better (the paper's Table 3, last column)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from pipeline import answers
from pipeline.answers import OVERALL, PreferenceAnswer
from pipeline.arms import ADAPTED, BASE
from pipeline.metrics.pictures import Picture, by_place
from pipeline.metrics.settings import EvaluateParams

LEAST_REVIEWERS = 2


@dataclass(frozen=True)
class Choice:
    """One answer to one question about one pair."""

    question: str
    choice: str
    """``base``, ``adapted`` or ``tie``."""
    reviewer: str
    cell: str = ""
    """Model and method of the pair."""


def read_choices(folder: Path, pictures: Iterable[Picture]) -> tuple[list[Choice], int]:
    """The choices that hold, and the number of stale ones.

    Args:
        folder: ``reviews/preference``; which of its lines hold is told at :func:`answers.standing`.
        pictures: the images at hand; a choice between other bytes is stale.

    Raises:
        InputError: a line is broken; names file and line.
    """
    lines = answers.read(folder, PreferenceAnswer)
    cells = {
        (prompt_id, index, arms[BASE].sha256, arms[ADAPTED].sha256): cell
        for (cell, prompt_id, index), arms in reversed(by_place(pictures).items())
        if {BASE, ADAPTED} <= arms.keys()
    }
    fresh = [line for line in lines if line.item in cells]
    found = [Choice(line.question, str(line.choice), line.reviewer, cells[line.item]) for line in fresh]
    return found, len(lines) - len(fresh)


def figures(choices: Sequence[Choice], config: EvaluateParams) -> dict[str, Any]:
    """``preference``, of the paper's question, and ``preference_<question>`` of others; None where nobody decided."""
    asked: dict[str, list[Choice]] = {OVERALL: []}
    for choice in choices:
        asked.setdefault(choice.question, []).append(choice)
    named = {"preference" if question == OVERALL else f"preference_{question}": question for question in sorted(asked)}
    return {name: preference(asked[question], config) for name, question in named.items()}


def preference(choices: Sequence[Choice], config: EvaluateParams) -> dict[str, float] | None:
    """Share of decided answers that prefer the adapted image; 0 to 1, 0.5 is no preference, higher is better for it.

    Interval by Wilson and exact binomial test against 0.5, answers of one person counted as independent, as in the
    paper; with two people or more also an interval that does not count them so (``low_by_reviewer`` and ``high_...``).

    Returns:
        None where nobody decided for either.
    """
    decided = [choice for choice in choices if choice.choice != "tie"]
    if not decided:
        return None
    wins = sum(choice.choice == ADAPTED for choice in decided)
    test = stats.binomtest(wins, len(decided))
    interval = test.proportion_ci(config.confidence, method="wilson")
    found = {"adapted": wins / len(decided), "low": interval.low, "high": interval.high, "p": test.pvalue}
    return {
        "answers": len(choices),
        "ties": len(choices) - len(decided),
        "reviewers": len({choice.reviewer for choice in choices}),
        **{key: float(value) for key, value in found.items()},
        **_by_reviewer(decided, config),
    }


def _by_reviewer(decided: Sequence[Choice], config: EvaluateParams) -> dict[str, float]:
    """Percentile bootstrap of the share, whole reviewers resampled; empty with one reviewer, or where all are alike."""
    names = sorted({choice.reviewer for choice in decided})
    answered = np.array([[c.reviewer == name for c in decided].count(True) for name in names], np.float64)
    wins = np.array([[c.reviewer == name and c.choice == ADAPTED for c in decided].count(True) for name in names])
    if len(names) < LEAST_REVIEWERS or np.ptp(wins / answered) == 0:
        return {}
    drawn = np.random.default_rng(config.seed).integers(0, len(names), (config.bootstrap, len(names)))
    shares = wins[drawn].sum(axis=1) / answered[drawn].sum(axis=1)
    tail = (1 - config.confidence) / 2
    low, high = np.quantile(shares, [tail, 1 - tail])
    return {"low_by_reviewer": float(low), "high_by_reviewer": float(high)}

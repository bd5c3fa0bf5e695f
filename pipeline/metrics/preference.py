"""User preference: which of two images of one prompt and seed people like better (the paper's Table 3, last column)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from scipy import stats

from pipeline import answers
from pipeline.answers import PreferenceAnswer


def read_choices(folder: Path, pictures: Mapping[str, str]) -> tuple[dict[str, list[str]], int]:
    """Question -> the choices that hold, and the number of stale ones.

    Args:
        folder: ``reviews/preference``; which of its lines hold is told at :func:`answers.standing`.
        pictures: sample_id -> SHA-256 of the images at hand; a choice between other bytes is stale.

    Raises:
        InputError: a line is broken; names file and line.
    """
    lines = answers.read(folder, PreferenceAnswer)
    pairs = answers.pairs(pictures)
    fresh = [line for line in lines if line.item in pairs]
    found: dict[str, list[str]] = {}
    for line in fresh:
        found.setdefault(line.question, []).append(str(line.choice))
    return found, len(lines) - len(fresh)


def preference(choices: Sequence[str], *, confidence: float) -> dict[str, float] | None:
    """Share of decided answers that prefer the adapted image; 0 to 1, 0.5 is no preference, higher is better for it.

    Interval by Wilson, exact binomial test against 0.5. Answers of one person count as independent, as in the paper.

    Returns:
        None where nobody decided for either.
    """
    wins, decided = choices.count("adapted"), len(choices) - choices.count("tie")
    if not decided:
        return None
    test = stats.binomtest(wins, decided)
    interval = test.proportion_ci(confidence, method="wilson")
    figures = {"adapted": wins / decided, "low": interval.low, "high": interval.high, "p": test.pvalue}
    return {
        "answers": len(choices),
        "ties": len(choices) - decided,
        **{key: float(value) for key, value in figures.items()},
    }

"""User preference: which of two images of one prompt and seed people like better (the paper's Table 3, last column)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field
from scipy import stats

from pipeline.jsonl import Record, read_folder


class Preference(Record):
    """One line of ``reviews/preference/*.jsonl``."""

    prompt_id: str
    index: int = Field(ge=0)
    sha256_base: str = Field(pattern=r"^[0-9a-f]{64}$")
    sha256_adapted: str = Field(pattern=r"^[0-9a-f]{64}$")
    reviewer: str = Field(min_length=1)
    question: str = Field(default="overall", min_length=1)
    choice: Literal["base", "adapted", "tie"]


def read_choices(folder: Path, pictures: Mapping[str, str]) -> tuple[list[str], int]:
    """The choices that hold, and the number of stale ones.

    Args:
        folder: ``reviews/preference``; the last line of a reviewer on a pair and question holds.
        pictures: sample_id -> SHA-256 of the images at hand; a choice between other bytes is stale.

    Raises:
        InputError: a line is broken; names file and line.
    """
    lines = read_folder(folder, Preference)
    last = {(line.prompt_id, line.index, line.question, line.reviewer): line for line in lines}
    fresh = [line.choice for line in last.values() if _same_pictures(line, pictures)]
    return [str(choice) for choice in fresh], len(last) - len(fresh)


def _same_pictures(line: Preference, pictures: Mapping[str, str]) -> bool:
    place = f"{line.prompt_id}/{line.index:02d}"
    found = pictures.get(f"{place}/base"), pictures.get(f"{place}/adapted")
    return found == (line.sha256_base, line.sha256_adapted)


def preference(choices: list[str], *, confidence: float) -> dict[str, float] | None:
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

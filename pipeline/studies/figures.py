"""Figures over several experiments: rows against each other prompt by prompt, and how often a gain holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from pipeline.arms import ADAPTED, BASE
from pipeline.metrics.comparison import compare
from pipeline.metrics.evaluation import rounded
from pipeline.metrics.pictures import Picture
from pipeline.metrics.settings import EvaluateParams
from pipeline.report.words import TYPES, is_significant
from pipeline.studies.collecting import Outcome

GAIN = 0.10
"""The share of images that a skill must gain to count."""
ROUNDING = 1e-6
"""What the written figures are rounded by at most."""
SKILLS = 2
"""Of the three skills so many must gain."""
IMAGES_ONLY = ("mcnemar_p", "paper_ttest_p")


def contrast(present: Outcome, absent: Outcome, config: EvaluateParams) -> dict[str, dict[str, Any]]:
    """The adapted arms of two rows against each other, paired by prompt: skill -> means, difference, interval, p.

    Both rows drew each prompt from the same first noise. ``difference`` is present minus absent; an entry is a
    prompt's share of right images. Prompts that one of the rows lacks do not count.

    Args:
        present: the row that has the thing in question.
        absent: the row that lacks it.
        config: confidence, resamples and seed.
    """
    values, pictures = {}, []
    for arm, outcome in ((BASE, absent), (ADAPTED, present)):
        for line in outcome.prompts:
            if line.get(ADAPTED):
                sample_id = f"{arm}:{line['prompt_id']}"
                values[sample_id] = float(line[ADAPTED])
                pictures.append(Picture(sample_id, arm, line["prompt_id"], line["type"], 0))
    lines = compare(values, pictures, config)
    return {
        name: {key: rounded(value) for key, value in line.items() if key not in IMAGES_ONLY}
        for name, line in lines.items()
    }


def gained(outcome: Outcome, confidence: float) -> list[str]:
    """Skills with a significant gain of at least ``GAIN`` over the base model whose whole interval lies above 0.

    The interval alone does not decide: where few prompts differ the bootstrap draws it too narrow.
    """
    lines = {name: outcome.accuracy[name] for name in TYPES if name in outcome.accuracy}
    return [
        name
        for name, line in lines.items()
        if line["difference"] >= GAIN - ROUNDING
        and is_significant(line, confidence)
        and line["low"] is not None
        and line["low"] > 0
    ]


def lost(outcome: Outcome, confidence: float) -> list[str]:
    """Skills with significantly fewer right images."""
    lines = {name: outcome.accuracy[name] for name in TYPES if name in outcome.accuracy}
    return [name for name, line in lines.items() if line["difference"] < 0 and is_significant(line, confidence)]


def holds(outcome: Outcome, confidence: float) -> bool:
    """Whether two skills gain and no skill loses."""
    return len(gained(outcome, confidence)) >= SKILLS and not lost(outcome, confidence)


@dataclass(frozen=True)
class Spread:
    """The difference to the base model over several trainings, as shares."""

    count: int
    mean: float
    sd: float | None
    lowest: float
    highest: float


def spread(outcomes: Sequence[Outcome], skill: str) -> Spread | None:
    """Over those that have the skill; no standard deviation of a single one."""
    found = [outcome.accuracy[skill]["difference"] for outcome in outcomes if skill in outcome.accuracy]
    if not found:
        return None
    return Spread(len(found), fmean(found), stdev(found) if found[1:] else None, min(found), max(found))

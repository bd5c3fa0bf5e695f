"""Joining what was measured into the figures of an evaluation, and saying what could not be computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import tables
from pipeline.answers import OVERALL
from pipeline.metrics import judging, preference
from pipeline.metrics.clip_based import COSINE, PAIRED, SCORES
from pipeline.metrics.comparison import EvaluateParams, Picture, compare, same_quality
from pipeline.metrics.measuring import Measured, paired_scores
from pipeline.tables import KEY

EQUAL_IN = (COSINE, judging.QUALITY)
"""Metrics in which the adapted arm shall be as good as the base arm, tested for equivalence."""
NO_JUDGE = "evaluate.judge is null and reviews/semantic has no verdict on both images of any pair"
NO_PEOPLE = "reviews/semantic has no verdict on these images"
NO_CHOICE = "reviews/preference has no answer about these images"


@dataclass(frozen=True)
class People:
    """What people said of the images at hand, and how many of their lines do not count."""

    rows: list[dict[str, Any]]
    choices: Mapping[str, Sequence[str]]
    """Question -> base, adapted or tie, once an answer."""
    passed_over: dict[str, int]


@dataclass(frozen=True)
class Evidence:
    """All that the figures are made from."""

    pictures: Sequence[Picture]
    measured: Measured
    people: People

    def right(self) -> dict[str, float]:
        """sample_id -> 1 if the image is right, 0 if not: the judge's word, or people's where there is no judge."""
        verdicts = self.measured.verdicts
        right = judging.right_by_judge(verdicts) if verdicts else judging.right_by_people(self.people.rows)
        return {sample_id: float(held) for sample_id, held in right.items()}

    def scores(self) -> dict[str, dict[str, float]]:
        """Metric -> sample_id -> value, of the metrics that have any."""
        cosines, qualities = self.measured.cosines, self.measured.qualities
        found = {COSINE: cosines, PAIRED: paired_scores(cosines, self.measured.scale), judging.QUALITY: qualities}
        return {name: values for name, values in found.items() if values}


def read_people(reviews: Path, pictures: Mapping[str, str]) -> People:
    """Verdicts and preferences that hold for these images, and the number of lines that do not count.

    Args:
        reviews: folder with ``semantic`` and ``preference``.
        pictures: sample_id -> SHA-256 of the images at hand.

    Raises:
        InputError: a line is broken; names file and line.
    """
    rows, passed_over = judging.read_people(reviews / "semantic", pictures)
    choices, stale = preference.read_choices(reviews / "preference", pictures)
    return People(rows, choices, {**passed_over, "stale_preferences": stale})


def figures(evidence: Evidence, config: EvaluateParams) -> tuple[dict[str, Any], dict[str, str]]:
    """The content of statistics.json, and metric -> reason for all that lacks its data (absent, never 0)."""
    scores = evidence.scores()
    found: dict[str, Any] = {name: compare(values, evidence.pictures, config) for name, values in scores.items()}
    for name in EQUAL_IN:
        found[f"{name}_equivalence"] = same_quality(scores.get(name, {}), evidence.pictures, config)
    found["accuracy"] = compare(evidence.right(), evidence.pictures, config)
    asked = {
        question: preference.preference(choices, confidence=config.confidence)
        for question, choices in sorted(evidence.people.choices.items())
    }
    found["preference"] = asked.pop(OVERALL, None)
    found |= {f"preference_{question}": value for question, value in asked.items()}
    reasons = {"accuracy": NO_JUDGE, "preference": NO_CHOICE}
    if evidence.measured.verdicts:
        found["judge_agreement"] = _agreement(evidence)
        reasons["judge_agreement"] = NO_PEOPLE
    missing = {name: reason for name, reason in reasons.items() if not found[name]}
    return {name: rounded(value) for name, value in found.items() if value}, missing


def headline(found: Mapping[str, Any]) -> dict[str, Any]:
    """The content of metrics.json: what one experiment is told apart from another by, few enough for a screen."""
    shown = ("base", "complex", "adapted", "low", "high", "p_holm")
    skills = {
        skill: {name: line[name] for name in shown if line.get(name) is not None}
        for skill, line in found.get("accuracy", {}).items()
    }
    clip = found.get(PAIRED, {}).get("all")
    return {**skills, PAIRED: clip["adapted"]} if clip else skills


def _agreement(evidence: Evidence) -> dict[str, float] | None:
    """Images that judge and people both decided, and the share on which they agree, 0 to 1."""
    judged = judging.right_by_judge(evidence.measured.verdicts)
    said = judging.right_by_people(evidence.people.rows)
    both = [judged[sample_id] == said[sample_id] for sample_id in sorted(judged.keys() & said.keys())]
    return {"images": len(both), "accuracy": sum(both) / len(both)} if both else None


def score_table(evidence: Evidence, version: str) -> pa.Table:
    """Scores in long form, SCORES: sorted by image and metric.

    Args:
        evidence: what was measured.
        version: of the CLIP metrics; the judge's quality has the judge's.
    """
    scores = evidence.scores()
    rows = [(sample_id, name, value) for name, values in scores.items() for sample_id, value in values.items()]
    return tables.from_rows(
        (
            {
                KEY: sample_id,
                "metric": name,
                "value": value,
                "metric_version": evidence.measured.judge if name == judging.QUALITY else version,
            }
            for sample_id, name, value in sorted(rows)
        ),
        SCORES,
    )


def rounded(value: Any) -> Any:
    """Numbers with six significant digits: readable beside each other, and free of the last bits' noise."""
    match value:
        case None | int() | str():
            return value
        case Mapping():
            return {key: rounded(item) for key, item in value.items()}
    return float(f"{float(value):.6g}")

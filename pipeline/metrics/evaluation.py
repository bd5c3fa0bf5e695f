"""Joining what was measured into the figures of an evaluation, and saying what could not be computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import metric_names, tables
from pipeline.arms import ADAPTED, BASE, REFERENCES, RIVALS
from pipeline.metrics import judging, preference, trust
from pipeline.metrics.clip_based import PAIRED, SCORES
from pipeline.metrics.comparison import compare, correct_family, same_quality
from pipeline.metrics.pictures import Picture, cells, digests
from pipeline.metrics.preference import Choice
from pipeline.metrics.readers import Measured
from pipeline.metrics.settings import EvaluateParams
from pipeline.tables import KEY

NO_JUDGE = "evaluate.judges is empty or cannot judge, and reviews/semantic has no verdict on both images of any pair"
NO_PEOPLE = "reviews/semantic has no verdict on these images"
NO_CHOICE = "reviews/preference has no answer about these images"


@dataclass(frozen=True)
class People:
    """What people said of the images at hand, and how many of their lines do not count."""

    rows: list[dict[str, Any]]
    choices: list[Choice]
    passed_over: dict[str, int]


@dataclass(frozen=True)
class Evidence:
    """All that the figures are made from.

    Args:
        pictures: every image.
        measured: scores and the judges' verdicts.
        people: their verdicts and choices.
        judges: names of the automatic judges, the one that decides first.
        atoms: prompt id -> how many statements its images are judged by.
    """

    pictures: Sequence[Picture]
    measured: Measured
    people: People
    judges: Sequence[str] = ()
    atoms: Mapping[str, int] = field(default_factory=dict)

    def judged(self, judge: str) -> dict[str, bool]:
        """sample_id -> whether the image is right, by one automatic judge, of the images that it could decide."""
        rows = (row for row in self.measured.verdicts if row["judge"] == judge)
        return judging.right_by_judge(rows, {each.sample_id: self.atoms[each.prompt_id] for each in self.pictures})

    def said(self) -> dict[str, bool]:
        """sample_id -> whether the image is right, by most people."""
        return judging.right_by_people(self.people.rows)

    def deciding(self) -> list[str]:
        """The automatic judges that decided an image, in the order of the settings."""
        return [judge for judge in self.judges if self.judged(judge)]

    def right(self) -> dict[str, float]:
        """sample_id -> 1 if the image is right, 0 if not: the first judge's word, or people's where no judge spoke."""
        spoken = self.deciding()
        return _shares(self.judged(spoken[0]) if spoken else self.said())

    def of(self, pictures: Sequence[Picture]) -> "Evidence":
        """The part about some images."""
        names = {picture.sample_id for picture in pictures}
        scores = {metric: _chosen(values, names) for metric, values in self.measured.scores.items()}
        verdicts, rows = (
            [row for row in rows if row[KEY] in names] for rows in (self.measured.verdicts, self.people.rows)
        )
        choices = [choice for choice in self.people.choices if choice.cell in {each.cell for each in pictures}]
        measured = replace(self.measured, scores=scores, verdicts=verdicts)
        people = replace(self.people, rows=rows, choices=choices)
        return replace(self, pictures=pictures, measured=measured, people=people)


def _chosen(values: Mapping[str, float], names: set[str]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name in names}


def _shares(right: Mapping[str, bool]) -> dict[str, float]:
    return {sample_id: float(held) for sample_id, held in right.items()}


def read_people(reviews: Path, pictures: Sequence[Picture]) -> People:
    """Verdicts and preferences that hold for these images, and the number of lines that do not count.

    Args:
        reviews: folder with ``semantic`` and ``preference``.
        pictures: the images at hand.

    Raises:
        InputError: a line is broken; names file and line.
    """
    rows, passed_over = judging.read_people(reviews / "semantic", digests(pictures))
    choices, stale = preference.read_choices(reviews / "preference", pictures)
    return People(rows, choices, {**passed_over, "stale_preferences": stale})


def figures(evidence: Evidence, config: EvaluateParams) -> tuple[dict[str, Any], dict[str, str]]:
    """The content of statistics.json, and figure -> reason for all that lacks its data (absent, never 0).

    Arms are compared within a cell (model and method). Where there are several, the figures at the top are those of the
    first, all of them stand under ``cells``, and p values are corrected over the family of all cells and types.
    """
    found = {
        cell: _of_cell(evidence.of(pictures) if cell else evidence, config)
        for cell, pictures in cells(evidence.pictures).items()
    }
    correct_family(list(found.values()))
    first = next(iter(found.values()))
    missing = _missing(evidence, first)
    rounded_ = {cell: {name: rounded(value) for name, value in lines.items() if value} for cell, lines in found.items()}
    top = next(iter(rounded_.values()))
    return ({**top, "cells": rounded_} if len(found) > 1 else top), missing


def _of_cell(evidence: Evidence, config: EvaluateParams) -> dict[str, Any]:
    """The figures of one cell; what lacks its data is empty."""
    scores = {name: values for name, values in evidence.measured.scores.items() if values}
    found: dict[str, Any] = {name: compare(values, evidence.pictures, config) for name, values in scores.items()}
    for name in (name for name in scores if is_tested_for_equality(name)):
        upwards = metric_names.meaning(name).higher_is_better
        found[f"{name}_equivalence"] = same_quality(scores[name], evidence.pictures, config, higher_is_better=upwards)
    right = evidence.right()
    found["accuracy"] = compare(right, evidence.pictures, config)
    for arm in RIVALS:
        found[metric_names.AGAINST + arm] = compare(right, evidence.pictures, config, against=arm)
    found |= preference.figures(evidence.people.choices, config)
    for judge in evidence.deciding()[1:]:
        line = compare(_shares(evidence.judged(judge)), evidence.pictures, config)
        found.setdefault("other_judges", {}).update({judge: line} if line else {})
    found["judge_agreement"] = trust.agreements(evidence)
    found["prediction_powered"] = trust.prediction_powered(evidence, config.confidence)
    return found


def is_tested_for_equality(metric: str) -> bool:
    """Whether the adapted arm shall be as good as the base arm in it: picture quality, and fit of text by cosine."""
    return metric.endswith(metric_names.COSINE) or metric_names.meaning(metric).is_quality


def _missing(evidence: Evidence, found: Mapping[str, Any]) -> dict[str, str]:
    reasons = {"accuracy": NO_JUDGE, "preference": NO_CHOICE}
    if evidence.judges:
        reasons["judge_agreement"] = NO_PEOPLE
    return evidence.measured.missing | {name: reason for name, reason in reasons.items() if not found[name]}


def headline(found: Mapping[str, Any]) -> dict[str, Any]:
    """The content of metrics.json: what one experiment is told apart from another by, few enough for a screen."""
    shown = (BASE, *REFERENCES, ADAPTED, "low", "high", "p_holm")
    skills = {
        skill: {name: line[name] for name in shown if line.get(name) is not None}
        for skill, line in found.get("accuracy", {}).items()
    }
    clip = found.get(PAIRED, {}).get("all")
    return {**skills, PAIRED: clip["adapted"]} if clip else skills


def score_table(evidence: Evidence) -> pa.Table:
    """Scores in long form, SCORES: sorted by image and metric."""
    scores, versions = evidence.measured.scores, evidence.measured.versions
    rows = [(sample_id, name, value) for name, values in scores.items() for sample_id, value in values.items()]
    return tables.from_rows(
        (
            {KEY: sample_id, "metric": name, "value": value, "metric_version": versions[name]}
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

"""Joining what was measured into the figures of an evaluation, and saying what could not be computed."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipeline import metric_names, tables
from pipeline.arms import ADAPTED, BASE, REFERENCES, RIVALS
from pipeline.metrics import preference, trust
from pipeline.metrics.clip_based import SCORES
from pipeline.metrics.comparison import compare, correct_family, same_quality
from pipeline.metrics.evidence import PEOPLE, Evidence, shares
from pipeline.metrics.pictures import cells, method
from pipeline.metrics.settings import EvaluateParams
from pipeline.prompts import SEEN, UNSEEN
from pipeline.tables import KEY

NO_JUDGE = "evaluate.judges is empty or cannot judge, and reviews/semantic has no verdict on both images of any pair"
NO_PEOPLE = "reviews/semantic has no verdict on these images"
NONE_IN_COMMON = "no judge decided an image that people judged"
NO_CHOICE = "reviews/preference has no answer about these images"


def figures(evidence: Evidence, config: EvaluateParams) -> tuple[dict[str, Any], dict[str, str]]:
    """The content of statistics.json, and figure -> reason for all that lacks its data (absent, never 0).

    Arms are compared within a cell (model and method). Where there are several, the figures at the top are those of the
    first, all of them stand under ``cells``, and p values are corrected over the family of all cells and types.
    """
    parts = {cell: evidence.of(pictures) if cell else evidence for cell, pictures in cells(evidence.pictures).items()}
    found = {cell: _of_cell(part, config) for cell, part in parts.items()}
    correct_family(list(found.values()))
    missing = evidence.measured.missing | _missing(parts, found)
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
    found[metric_names.BY_WORDING] = _by_wording(evidence, config)
    found |= preference.figures(evidence.people.choices, config)
    found["other_judges"] = _other_judges(evidence, config)
    found["judge_agreement"] = trust.agreements(evidence)
    found["prediction_powered"] = trust.prediction_powered(evidence, config.confidence)
    return found


def _by_wording(evidence: Evidence, config: EvaluateParams) -> dict[str, Any]:
    """Wording -> accuracy of its prompts; empty unless prompts with words seen in training and unseen ones have one."""
    wordings = {prompt.id: prompt.wording for prompt in evidence.prompts.values()}
    right, found = evidence.right(), {}
    for wording in (SEEN, UNSEEN):
        shown = [picture for picture in evidence.pictures if wordings.get(picture.prompt_id) == wording]
        found[wording] = compare(right, shown, config)
    return found if all(found.values()) else {}


def _other_judges(evidence: Evidence, config: EvaluateParams) -> dict[str, Any]:
    """Who judged too but does not decide -> accuracy: each judge alone, and people."""
    _, *others = [*evidence.voices().items(), (PEOPLE, evidence.said())]
    lines = {judge: compare(shares(right), evidence.pictures, config) for judge, right in others}
    return {judge: line for judge, line in lines.items() if line}


def is_tested_for_equality(metric: str) -> bool:
    """Whether the adapted arm shall be as good as the base arm in it: picture quality, and fit of text by cosine."""
    return metric.endswith(metric_names.COSINE) or metric_names.meaning(metric).is_quality


def _missing(parts: Mapping[str, Evidence], found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Figure -> why it is absent; what only some methods lack says which."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for cell, part in parts.items():
        for name, reason in _reasons(part).items():
            if not found[cell][name]:
                reasons.setdefault(name, {}).setdefault(reason, []).append(method(cell))
    return {name: _told(each, len(parts)) for name, each in reasons.items()}


def _told(reasons: Mapping[str, list[str]], count: int) -> str:
    if len(reasons) == 1 and all(len(methods) == count for methods in reasons.values()):
        return next(iter(reasons))
    return "; ".join(f"{', '.join(methods)}: {reason}" for reason, methods in reasons.items())


def _reasons(evidence: Evidence) -> dict[str, str]:
    """Figure -> why it is absent where it is."""
    reasons = {"accuracy": NO_JUDGE, "preference": NO_CHOICE}
    if evidence.judges:
        reasons["judge_agreement"] = NONE_IN_COMMON if evidence.said() else NO_PEOPLE
    return reasons


def headline(found: Mapping[str, Any]) -> dict[str, Any]:
    """The content of metrics.json: what one experiment is told apart from another by, few enough for a screen."""
    shown = (BASE, *REFERENCES, ADAPTED, "low", "high", "p_holm")
    skills = {
        skill: {name: line[name] for name in shown if line.get(name) is not None}
        for skill, line in found.get("accuracy", {}).items()
    }
    clip = found.get(metric_names.CLIP_SCORE, {}).get("all")
    return {**skills, metric_names.CLIP_SCORE: clip["adapted"]} if clip else skills


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

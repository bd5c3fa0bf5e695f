"""The report's table of how far the automatic judges can be trusted: their verdicts beside people's."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.collect import Findings, by_method
from pipeline.report.layout import NUMBER, Cell, Table
from pipeline.report.numbers import NONE, level, percent

HEAD = ("Judge", "Images", "Judged by both", "Agreement", "Balanced", "κ", "AC1", "Judge alone: right, wrong")
PEOPLE = "Right, as people would find"


def trust_table(findings: Findings) -> Table | None:
    """Agreement by type and by arm, and each arm's share of right images as people would find it, by method.

    Returns:
        None where people judged none of the images that a judge decided.
    """
    found = by_method(findings)
    rows = [
        [*([Cell(method)] if len(found) > 1 else []), *row]
        for method, part in found.items()
        for judge, figures in sorted(part.metrics.get("judge_agreement", {}).items())
        for row in _judge(part, judge, figures)
    ]
    if not rows:
        return None
    note = (
        "κ (Cohen) and AC1 (Gwet) take chance out; AC1 also holds where nearly all images are right or wrong. A judge "
        "that always says yes has κ 0. By people: share of right images from the judge's verdicts on all images and "
        f"people's on some (prediction-powered), {level(findings.confidence)} interval over prompts."
    )
    return Table(
        "How far the judge can be trusted", note, [*(["Method"] if len(found) > 1 else []), *HEAD, PEOPLE], rows
    )


def _judge(findings: Findings, judge: str, figures: Mapping[str, Any]) -> list[list[Cell]]:
    powered = findings.metrics.get("prediction_powered", {}).get(judge, {})
    groups = {"all": figures, **figures["by_type"], **{f"arm {arm}": line for arm, line in figures["by_arm"].items()}}
    return [_row(judge, name, line, powered.get(name.removeprefix("arm "), {})) for name, line in groups.items()]


def _row(judge: str, name: str, line: Mapping[str, Any], powered: Mapping[str, Any]) -> list[Cell]:
    numbers = [
        f"{line['images']:,}",
        percent(line["accuracy"]),
        *(f"{line[key]:.2f}" if key in line else NONE for key in ("balanced_accuracy", "kappa", "ac1")),
        f"{line['false_yes']}, {line['false_no']}",
        f"{percent(powered['mean'])} ({percent(powered['low'])} to {percent(powered['high'])})" if powered else NONE,
    ]
    return [Cell(judge), Cell(name), *(Cell(text, NUMBER) for text in numbers)]

"""The report's table of picture quality and user preference (the paper's Table 3)."""

from collections.abc import Mapping
from typing import Any

from pipeline import metric_names
from pipeline.report import equality, paper
from pipeline.report.collect import Findings, by_method
from pipeline.report.layout import GREY, NUMBER, PAPER, T_TEST, Cell, Table, numbers, printed_cell, stacked
from pipeline.report.numbers import NONE, interval, level, p_value, percent, signed
from pipeline.report.words import ALL

ASKED = "preference_"
"""Begins the figures of other questions than the paper's."""
HEAD = ("p", "p (Holm)", "Equal?", T_TEST, "Prompts (pairs)")
COLUMNS = 9
"""Beside the first and the paper's."""


def quality_table(findings: Findings, printed: paper.Figures) -> Table:
    """Both arms beside each other with what was not computed and why; a block of rows for each method.

    Where the judge rates pictures, its figure stands here as what it is: no metric of the paper.

    Args:
        findings: what was computed.
        printed: the paper's figures; empty where it printed none of such a run.
    """
    found = by_method(findings)
    blocks = {method: _rows(part, printed.get(method, {}), bool(printed)) for method, part in found.items()}
    first, rows = stacked(blocks)
    head = [first, "Base", "Adapter", "Δ", f"{level(findings.confidence)} interval", *HEAD]
    judged = any(metric_names.JUDGED in part.metrics for part in found.values())
    return Table(
        "Table 3: quality and preference",
        _note(findings, judged=judged),
        [*head, *([PAPER] if printed else [])],
        rows,
    )


def _note(findings: Findings, *, judged: bool) -> str:
    note = (
        f"Quality should stay as it is: equal within {findings.margin_sd} standard deviations of the base's prompt "
        "means, by the equivalence test; worse, or no worse, by more than that. p of a difference by sign flips over "
        "prompts. Preference: shares of people's decided answers, the adapter's interval, p by exact binomial."
    )
    if judged:
        note += f" Quality by the judge: {findings.rater}'s own score, 0 to 1, which the paper does not have."
    return note


def _rows(findings: Findings, printed: Mapping[str, paper.Arms], with_paper: bool) -> list[list[Cell]]:
    """Of one method; the judge's own figure only where it rates."""
    names = [name for name in metric_names.QUALITY if name != metric_names.JUDGED or name in findings.metrics]
    rows = {name: _measured(findings, name) for name in names}
    rows["preference"] = _preference(findings, "preference", "User preference ↑")
    for name in sorted(each for each in findings.metrics if each.startswith(ASKED)):
        rows[name] = _preference(findings, name, f"Preference, question {name.removeprefix(ASKED)}")
    return [[*row, *([printed_cell(printed.get(name))] if with_paper else [])] for name, row in rows.items()]


def _measured(findings: Findings, name: str) -> list[Cell]:
    line, meaning = findings.metrics.get(name, {}).get(ALL), metric_names.QUALITY[name]
    if not line:
        return _absent(meaning.titled, why_missing(findings, name))
    digits = meaning.digits
    return [
        Cell(meaning.titled),
        *numbers(f"{line['base']:.{digits}f}", f"{line['adapted']:.{digits}f}", signed(line["difference"], digits)),
        *numbers(interval(line, scale=1, digits=digits), p_value(line["p"]), p_value(line["p_holm"])),
        _equal(findings, name),
        *numbers(p_value(line["paper_ttest_p"]), f"{line['prompts']:,} ({line['pairs']:,})"),
    ]


def _equal(findings: Findings, name: str) -> Cell:
    test = findings.metrics.get(f"{name}_equivalence")
    if not test:
        return Cell("not tested: needs two prompts whose base pictures differ in it", GREY)
    return Cell(equal_text(test, findings.confidence), NUMBER)


def equal_text(test: Mapping[str, Any], confidence: float) -> str:
    """``equal (p 0.010)``: what the tests show, and the p of the one that shows it."""
    return f"{equality.shown(test, confidence)} (p {p_value(equality.deciding(test, confidence))})"


def why_missing(findings: Findings, name: str) -> str:
    """Why a metric is not there: what evaluate said of it, or that nobody asked for it."""
    return findings.not_computed.get(name, f"evaluate.metrics has no entry of kind {name}")


def _absent(title: str, reason: str) -> list[Cell]:
    return [Cell(title), Cell(f"not computed: {reason}", GREY, columns=COLUMNS)]


def _preference(findings: Findings, name: str, title: str) -> list[Cell]:
    """The shares with the interval over answers and, where it is defined, the one over people."""
    found = findings.metrics.get(name)
    if not found:
        return _absent(title, findings.not_computed.get(name, "no answers"))
    ends = f"{percent(found['low'])} to {percent(found['high'])}"
    if "low_by_reviewer" in found:
        by_people = f"{percent(found['low_by_reviewer'])} to {percent(found['high_by_reviewer'])}"
        ends += f"; over {found['reviewers']} people {by_people}"
    return [
        Cell(title),
        *numbers(percent(1 - found["adapted"]), percent(found["adapted"]), NONE),
        Cell(ends),
        *numbers(p_value(found["p"]), p_value(found.get("p_holm")), NONE, NONE, f"{found['answers']:,} answers"),
    ]

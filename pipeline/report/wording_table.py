"""The report's table of accuracy by wording: prompts in the words of the training, and in words unseen there."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.metric_names import BY_WORDING
from pipeline.report.collect import Findings, by_method
from pipeline.report.layout import COUNT, Cell, Table, count, gain_cell, numbers
from pipeline.report.numbers import interval, level, p_value, percent
from pipeline.report.words import called, of_wording, skills, titled


def wording_table(findings: Findings) -> Table | None:
    """Right images of each wording and skill, both arms, by method where there are several.

    Returns:
        None where evaluate told no wordings apart.
    """
    found = {method: part.metrics.get(BY_WORDING, {}) for method, part in by_method(findings).items()}
    rows = [
        [*([Cell(method)] if len(found) > 1 else []), *row]
        for method, wordings in found.items()
        for wording, lines in wordings.items()
        for row in _rows(titled(of_wording(wording)), lines, findings.confidence)
    ]
    if not rows:
        return None
    head = ["Prompts with", "Skill", "Base", "Adapter", "Δ", f"{level(findings.confidence)} interval", "p", "p (Holm)"]
    note = "Right images by how a prompt is worded: what holds for words unseen in training was not learned by heart."
    return Table("By wording", note, [*(["Method"] if len(found) > 1 else []), *head, COUNT], rows)


def _rows(wording: str, lines: Mapping[str, Any], confidence: float) -> Iterator[list[Cell]]:
    for name in skills(lines):
        line = lines[name]
        yield [
            Cell(wording),
            Cell(titled(called(name, lines))),
            *numbers(percent(line["base"]), percent(line["adapted"])),
            gain_cell(line, confidence),
            *numbers(interval(line), p_value(line["p"]), p_value(line["p_holm"]), count(line)),
        ]

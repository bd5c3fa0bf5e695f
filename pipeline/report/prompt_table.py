"""The report's table of prompts (the paper's Table 7), and what a study's has in common with it."""

from collections.abc import Mapping
from typing import Any

from pipeline.arms import ADAPTED, BASE
from pipeline.report import paper
from pipeline.report.collect import Findings, by_method
from pipeline.report.layout import PAPER, Cell, Table, numbers, printed_cell, reference_titles, references
from pipeline.report.numbers import NONE, p_value, percent, points
from pipeline.report.words import ALL, called, deciding_p


def prompt_table(findings: Findings) -> Table:
    """The paper's Table 7: the share of right images of each prompt and arm, and the paper's where it printed one."""
    found = by_method(findings)
    with_paper = has_table_7(findings)
    rows = [
        [
            Cell(row["text"]),
            Cell(called(row["type"], {})),
            *numbers(_share(row, BASE), _share(row, ADAPTED), prompt_gain(row.get(BASE), row.get(ADAPTED))),
            *numbers(*(_share(row, arm) for arm in references(findings))),
            *([_printed_prompt(row)] if with_paper else []),
        ]
        for row in findings.prompts
    ]
    head = ["Prompt", "Type", "Base", "Adapter", "Δ", *reference_titles(findings), *([PAPER] if with_paper else [])]
    title = prompts_title(with_paper=with_paper) + (f", method {next(iter(found))}" if len(found) > 1 else "")
    return Table(title, prompts_note(findings.metrics.get("accuracy", {}).get(ALL)), head, rows)


def _share(row: Mapping[str, str], arm: str) -> str:
    return percent(float(row[arm])) if row.get(arm) else NONE


def prompts_title(*, with_paper: bool) -> str:
    """It is the paper's Table 7 where it has the paper's prompts."""
    return "Table 7: prompt by prompt" if with_paper else "Prompt by prompt"


def prompts_note(line: Mapping[str, Any] | None) -> str:
    """What the shares are, and over all prompts the difference with its tests."""
    note = "Share of right images; Δ in percentage points."
    if line is None:
        return note
    t_test = line.get("paper_ttest_p")
    return (
        f"{note} Over all {line['prompts']:,} prompts {percent(line['base'])} → {percent(line['adapted'])}, "
        f"Δ {points(line['difference'])}: {'' if line['p_holm'] is None else 'corrected '}p "
        f"{p_value(deciding_p(line))} by sign flips over prompts"
        + (f", p {p_value(t_test)} by the paper's t-test over images." if t_test is not None else ".")
    )


def prompt_gain(base: str | float | None, adapted: str | float | None) -> str:
    """A prompt's difference in points, from shares as they are written; a dash where one is missing."""
    return NONE if base in (None, "") or adapted in (None, "") else points(float(adapted) - float(base))


def _printed_prompt(row: Mapping[str, str]) -> Cell:
    of_paper = row["source"] == paper.SOURCE_OF_TABLE_7
    return printed_cell(paper.table_7().get(row["text"]) if of_paper else None)


def has_table_7(findings: Findings) -> bool:
    """Whether the paper's nine prompts of Table 7 are among those evaluated."""
    return any(row["source"] == paper.SOURCE_OF_TABLE_7 for row in findings.prompts)

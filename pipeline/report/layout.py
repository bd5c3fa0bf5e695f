"""The report's tables as rows of text, the same for the page and for Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import metric_names
from pipeline.report import paper
from pipeline.report.collect import Findings, by_method
from pipeline.report.numbers import NONE, interval, level, p_value, percent, points, signed
from pipeline.report.words import ALL, TYPES, called, deciding_p, is_significant, kinds, skills, titled

NUMBER, GREY, BETTER, WORSE = "number", "grey", "better", "worse"
PAPER = "Paper: base → adapter"
COUNT = "Prompts (pairs)"
T_TEST = "t-test p (the paper's test)"
PEOPLE = "people"
"""The judge where no automatic one decided, and the name of their verdicts beside those of one."""


@dataclass(frozen=True)
class Cell:
    """A text, how it is shown (number, grey (the paper's), better, worse, or plain), and over how many columns.

    The columns that it takes beside its own have no cell in its row; 0: all that the other cells leave.
    """

    text: str
    kind: str = ""
    columns: int = 1


@dataclass(frozen=True)
class Table:
    """A table with its caption and a note on how to read it."""

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def span(self, cell: Cell, row: Sequence[Cell]) -> int:
        """Over how many columns a cell of a row stands."""
        return cell.columns or len(self.head) - sum(other.columns for other in row)


def accuracy_table(findings: Findings, printed: paper.Figures) -> Table:
    """The paper's Table 2: CLIP Score and the skills, both arms beside each other; a block of rows for each method.

    Further judges have blocks of their own below the first judge's.

    Args:
        findings: what was computed.
        printed: the paper's figures; empty where it printed none of such a run.
    """
    found = by_method(findings)
    blocks = {method: _accuracies(part, printed.get(method, {}), bool(printed)) for method, part in found.items()}
    head = ["Base", "Adapter", "Δ", f"{level(findings.confidence)} interval", "p", "p (Holm)"]
    head += ["Base, complex prompt", "McNemar p", T_TEST]
    head.append(COUNT)
    first, rows = stacked(blocks)
    note = (
        f"Skills: share of images that show all the prompt asks for, judged by {findings.judge}; Δ in percentage "
        f"points. Paired by prompt and seed; p by sign flips over prompts; {_family(found)}. p (Holm) "
        "decides: intervals are not corrected, and too narrow where few prompts differ. CLIP Score: of each pair, "
        f"parts sum to 1. {_trust(found)}"
    )
    return Table("Table 2: understanding", note, [first, *head, *([PAPER] if printed else [])], rows)


def _accuracies(findings: Findings, printed: Mapping[str, paper.Arms], with_paper: bool) -> list[list[Cell]]:
    """The rows of one method."""
    scores, accuracy = findings.metrics.get("clip_score", {}), findings.metrics.get("accuracy", {})
    rows = {"clip_score": _score_row("clip_score", scores[ALL])} if scores else {}
    rows |= _skill_rows(accuracy, findings.confidence)
    rows |= {name: _score_row(name, line) for name, line in _other_scores(findings).items()}
    found = [[*row, *([printed_cell(printed.get(name))] if with_paper else [])] for name, row in rows.items()]
    for judge, lines in findings.metrics.get("other_judges", {}).items():
        found.append([Cell(f"Judged by {judge}", columns=0)])
        others = _skill_rows(lines, findings.confidence).values()
        found += [[*row, *([printed_cell(None)] if with_paper else [])] for row in others]
    return found


def stacked(blocks: Mapping[str, list[list[Cell]]]) -> tuple[str, list[list[Cell]]]:
    """The first column's head and all rows: one method's name stands in the head, of several each above its rows."""
    if len(blocks) == 1:
        ((method, rows),) = blocks.items()
        return f"Method: {method}", rows
    blocked = [([Cell(f"Method: {method}", columns=0)], *rows) for method, rows in blocks.items()]
    return "Method", [row for block in blocked for row in block]


def _family(found: Mapping[str, Findings]) -> str:
    """What the correction is over."""
    accuracies = [part.metrics.get("accuracy", {}) for part in found.values()]
    count = sum(len(kinds(accuracy)) for accuracy in accuracies)
    if len(found) > 1:
        return f"Holm over the {count} skills of all {len(found)} methods, and over the methods' lines of all prompts"
    return f"Holm over the {'three' if set(kinds(accuracies[0])) == set(TYPES) else count} skills"


def _trust(found: Mapping[str, Findings]) -> str:
    """How far the judge agrees with people, for each of several methods."""
    told = {method: agreement(part) for method, part in found.items()}
    if set(told.values()) == {""}:
        return ""
    texts = [text if len(found) == 1 else f"{method}: {text}" for method, text in told.items()]
    return f"Agreement with people: {'; '.join(texts)}."


def agreement(findings: Findings) -> str:
    """The deciding judge's agreement with people over all images; empty where people are the judge."""
    if findings.judge == PEOPLE:
        return ""
    line = findings.metrics.get("judge_agreement", {}).get(findings.judge)
    if not line:
        return "unknown, nobody judged these images"
    kappa = f"κ {line['kappa']:.2f}" if line.get("kappa") is not None else "κ not defined"
    return f"{line['images']:,} images, accuracy {percent(line['accuracy'])}, {kappa}, AC1 {line['ac1']:.2f}"


def _skill_rows(accuracy: Mapping[str, Any], confidence: float) -> dict[str, list[Cell]]:
    return {name: _skill_row(titled(called(name, accuracy)), accuracy[name], confidence) for name in skills(accuracy)}


def _skill_row(title: str, line: Mapping[str, Any], confidence: float) -> list[Cell]:
    return [
        Cell(f"{title} ↑"),
        *numbers(percent(line["base"]), percent(line["adapted"])),
        gain_cell(line, confidence),
        *numbers(interval(line), p_value(line["p"]), p_value(line["p_holm"])),
        *numbers(percent(line["complex"]) if "complex" in line else NONE),
        *numbers(p_value(line["mcnemar_p"]), p_value(line["paper_ttest_p"]), count(line)),
    ]


def gain_cell(line: Mapping[str, Any], confidence: float) -> Cell:
    """The difference in points, marked where it is significant."""
    kind = NUMBER
    if is_significant(line, confidence):
        kind = f"{NUMBER} {BETTER if line['difference'] > 0 else WORSE}"
    return Cell(points(line["difference"]), kind)


def count(line: Mapping[str, Any]) -> str:
    """How many prompts and pairs of images a line is made of."""
    return f"{line['prompts']:,} ({line['pairs']:,})"


def _other_scores(findings: Findings) -> dict[str, Mapping[str, Any]]:
    """CLIP's cosine, and what further CLIP-like models and judges give."""
    ends = tuple(metric_names.ENDS)
    shown = sorted(name for name in findings.metrics if name.endswith(ends) and name != "clip_score")
    return {name: findings.metrics[name][ALL] for name in shown}


def _score_row(name: str, line: Mapping[str, Any]) -> list[Cell]:
    return [
        Cell(metric_names.meaning(name).titled),
        *numbers(f"{line['base']:.3f}", f"{line['adapted']:.3f}", signed(line["difference"], 3)),
        *numbers(interval(line, scale=1, digits=3), p_value(line["p"]), p_value(line["p_holm"])),
        *numbers(f"{line['complex']:.3f}" if "complex" in line else NONE, NONE),
        *numbers(p_value(line["paper_ttest_p"]), count(line)),
    ]


def prompt_table(findings: Findings) -> Table:
    """The paper's Table 7: the share of right images of each prompt and arm, and the paper's where it printed one."""
    found = by_method(findings)
    with_paper = has_table_7(findings)
    rows = [
        [
            Cell(row["text"]),
            Cell(called(row["type"], {})),
            *numbers(_share(row, "base"), _share(row, "adapted"), prompt_gain(row.get("base"), row.get("adapted"))),
            *numbers(_share(row, "complex")),
            *([_printed_prompt(row)] if with_paper else []),
        ]
        for row in findings.prompts
    ]
    head = ["Prompt", "Type", "Base", "Adapter", "Δ", "Base, complex prompt", *([PAPER] if with_paper else [])]
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
        f"Δ {points(line['difference'])}: p {p_value(deciding_p(line))} by sign flips over prompts"
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


def numbers(*texts: str) -> list[Cell]:
    """Cells of figures."""
    return [Cell(text, NUMBER) for text in texts]


def printed_cell(arms: paper.Arms | None) -> Cell:
    """What the paper printed, in grey, or a dash."""
    return Cell(str(arms) if arms else NONE, f"{NUMBER} {GREY}")

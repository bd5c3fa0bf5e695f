"""The report's tables as rows of text, the same for the page and for Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import metric_names
from pipeline.arms import COMPLEX, EXPANDED, REFERENCES, TITLES
from pipeline.report import paper
from pipeline.report.collect import Findings, by_method
from pipeline.report.numbers import NONE, interval, level, p_value, percent, points, signed
from pipeline.report.words import ALL, P_DECIDES, TYPES, called, is_significant, kinds, skills, titled

NUMBER, GREY, BETTER, WORSE = "number", "grey", "better", "worse"
PAPER = "Paper: base → adapter"
COUNT = "Prompts (pairs)"
T_TEST = "t-test p (the paper's test)"
PEOPLE = "people"
"""The judge where no automatic one decided, and the name of their verdicts beside those of one."""


@dataclass(frozen=True)
class Cell:
    """A text, and how it is shown: number, grey (the paper's), better, worse, or plain."""

    text: str
    kind: str = ""
    detail: str = ""
    """What stands small below it, or in parentheses behind it where there are no lines within a cell."""
    columns: int = 1
    """Over how many it stands; those beside its own have no cell in its row. 0: all that the other cells leave."""

    @property
    def whole(self) -> str:
        """Both in one line."""
        return f"{self.text} ({self.detail})" if self.detail else self.text


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
    head += [*reference_titles(findings), "McNemar p", T_TEST, COUNT]
    first, rows = stacked(blocks)
    note = (
        f"{_skills_note(findings, found)}Paired by prompt and seed; p by sign flips over prompts. CLIP Score: of each "
        f"pair, parts sum to 1. {P_DECIDES} {_trust(found)}"
    )
    if EXPANDED in references(findings):
        note += " LLM-expanded prompts: of the skills all of whose prompts have one."
    return Table("Table 2: understanding", note, [first, *head, *([PAPER] if printed else [])], rows)


def _skills_note(findings: Findings, found: Mapping[str, Findings]) -> str:
    """Whose word the skills are; nothing where nobody spoke."""
    if not any(part.metrics.get("accuracy") for part in found.values()):
        return ""
    return (
        f"Skills: share of images that show all the prompt asks for, judged by {findings.judge}; Δ in percentage "
        f"points; {_family(found)}. "
    )


def _accuracies(findings: Findings, printed: Mapping[str, paper.Arms], with_paper: bool) -> list[list[Cell]]:
    """The rows of one method."""
    scores, accuracy = findings.metrics.get("clip_score", {}), findings.metrics.get("accuracy", {})
    shown = references(findings)
    rows = {"clip_score": _score_row("clip_score", scores[ALL], shown)} if scores else {}
    rows |= _skill_rows(accuracy, findings.confidence, shown)
    rows |= {name: _score_row(name, line, shown) for name, line in _other_scores(findings).items()}
    found = [[*row, *([printed_cell(printed.get(name))] if with_paper else [])] for name, row in rows.items()]
    for judge, lines in findings.metrics.get("other_judges", {}).items():
        found.append([Cell(f"Judged by {judge}", columns=0)])
        others = _skill_rows(lines, findings.confidence, shown).values()
        found += [[*row, *([printed_cell(None)] if with_paper else [])] for row in others]
    return found


def references(findings: Findings) -> list[str]:
    """The reference arms that have a column: the ceiling always, any other where it was sampled."""
    return [arm for arm in REFERENCES if arm == COMPLEX or any(arm in row for row in findings.prompts)]


def reference_titles(findings: Findings) -> list[str]:
    """Heads of their columns."""
    return [TITLES[arm] for arm in references(findings)]


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
        return "unknown, people judged none of the images that it decided"
    kappa = f"κ {line['kappa']:.2f}" if line.get("kappa") is not None else "κ not defined"
    return f"{line['images']:,} images, accuracy {percent(line['accuracy'])}, {kappa}, AC1 {line['ac1']:.2f}"


def _skill_rows(accuracy: Mapping[str, Any], confidence: float, shown: Sequence[str]) -> dict[str, list[Cell]]:
    titles = {name: titled(called(name, accuracy)) for name in skills(accuracy)}
    return {name: _skill_row(title, accuracy[name], confidence, shown) for name, title in titles.items()}


def _skill_row(title: str, line: Mapping[str, Any], confidence: float, shown: Sequence[str]) -> list[Cell]:
    return [
        Cell(f"{title} ↑"),
        *numbers(percent(line["base"]), percent(line["adapted"])),
        gain_cell(line, confidence),
        *numbers(interval(line), p_value(line["p"]), p_value(line["p_holm"])),
        *numbers(*(percent(line[arm]) if arm in line else NONE for arm in shown)),
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


def _score_row(name: str, line: Mapping[str, Any], shown: Sequence[str]) -> list[Cell]:
    return [
        Cell(metric_names.meaning(name).titled),
        *numbers(f"{line['base']:.3f}", f"{line['adapted']:.3f}", signed(line["difference"], 3)),
        *numbers(interval(line, scale=1, digits=3), p_value(line["p"]), p_value(line["p_holm"])),
        *numbers(*(f"{line[arm]:.3f}" if arm in line else NONE for arm in shown), NONE),
        *numbers(p_value(line["paper_ttest_p"]), count(line)),
    ]


def numbers(*texts: str) -> list[Cell]:
    """Cells of figures."""
    return [Cell(text, NUMBER) for text in texts]


def printed_cell(arms: paper.Arms | None) -> Cell:
    """What the paper printed, in grey, or a dash."""
    return Cell(str(arms) if arms else NONE, f"{NUMBER} {GREY}")

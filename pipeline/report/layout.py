"""The report's tables as rows of text, the same for the page and for Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import metric_names
from pipeline.arms import ADAPTED, BASE, COMPLEX, EXPANDED, REFERENCES, TITLES
from pipeline.report import paper
from pipeline.report.collect import Findings, Model, Step, by_method
from pipeline.report.words import (
    P_DECIDES,
    TYPES,
    equivalence,
    interval,
    is_significant,
    level,
    p_value,
    percent,
    points,
    signed,
)

NUMBER, GREY, BETTER, WORSE = "number", "grey", "better", "worse"
PAPER = "Paper: base → adapter"
ASKED = "preference_"
"""Begins the figures of other questions than the paper's."""


@dataclass(frozen=True)
class Cell:
    """A text, and how it is shown: number, grey (the paper's), better, worse, or plain."""

    text: str
    kind: str = ""
    detail: str = ""
    """What stands small below it, or in parentheses behind it where there are no lines within a cell."""

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


def accuracy_table(findings: Findings, printed: paper.Figures) -> Table:
    """The paper's Table 2: CLIP Score and the skills, both arms beside each other; a block of rows for each method.

    Args:
        findings: what was computed.
        printed: the paper's figures; empty where it printed none of such a run.
    """
    found = by_method(findings)
    blocks = {method: _accuracies(part, printed.get(method, {}), bool(printed)) for method, part in found.items()}
    head = ["Base", "Adapter", "Δ", f"{level(findings.confidence)} interval", "p", "p (Holm)"]
    head += [*_titles(findings), "McNemar p", "t-test p (the paper's test)"]
    first, rows = _stacked(blocks, len(head) + bool(printed))
    note = (
        f"Skills: share of images that show all the prompt asks for, judged by {findings.judge}; Δ in percentage "
        f"points. Paired by prompt and seed; p by sign flips over prompts; {_family(found)}. CLIP Score: of "
        f"each pair, parts sum to 1. {P_DECIDES}"
    )
    if EXPANDED in references(findings):
        note += " LLM-expanded prompts: of the skills all of whose prompts have one."
    return Table("Table 2: understanding", note, [first, *head, *([PAPER] if printed else [])], rows)


def _accuracies(findings: Findings, printed: Mapping[str, paper.Arms], with_paper: bool) -> list[list[Cell]]:
    """The rows of one method."""
    scores, accuracy = findings.metrics.get("clip_score", {}), findings.metrics.get("accuracy", {})
    shown = references(findings)
    rows = {"clip_score": _score_row("clip_score", scores["all"], len(shown))} if scores else {}
    rows |= {name: _skill_row(name, accuracy[name], findings.confidence, shown) for name in skills(accuracy)}
    rows |= {name: _score_row(name, line, len(shown)) for name, line in _other_scores(findings).items()}
    return [[*row, *([_printed(printed.get(name))] if with_paper else [])] for name, row in rows.items()]


def references(findings: Findings) -> list[str]:
    """The reference arms that have a column: the ceiling always, any other where it was sampled."""
    return [arm for arm in REFERENCES if arm == COMPLEX or any(arm in row for row in findings.prompts)]


def _titles(findings: Findings) -> list[str]:
    return [TITLES[arm] for arm in references(findings)]


def _stacked(blocks: Mapping[str, list[list[Cell]]], columns: int) -> tuple[str, list[list[Cell]]]:
    """The first column's head and all rows: one method's name stands in the head, of several each above its rows."""
    if len(blocks) == 1:
        ((method, rows),) = blocks.items()
        return f"Method: {method}", rows
    empty = [Cell("")] * columns
    return "Method", [row for method, rows in blocks.items() for row in ([Cell(f"Method: {method}"), *empty], *rows)]


def _family(found: Mapping[str, Findings]) -> str:
    """What the correction is over."""
    count = sum(len(set(skills(part.metrics.get("accuracy", {}))) - {"all"}) for part in found.values())
    if len(found) > 1:
        return f"Holm over the {count} skills of all {len(found)} methods"
    return f"Holm over the {'three' if count == len(TYPES) else count} skills"


def _skill_row(name: str, line: Mapping[str, Any], confidence: float, shown: Sequence[str]) -> list[Cell]:
    kind = NUMBER
    if is_significant(line, confidence):
        kind = f"{NUMBER} {BETTER if line['difference'] > 0 else WORSE}"
    return [
        Cell("All three" if name == "all" else f"{name.capitalize()} ↑"),
        *_numbers(percent(line["base"]), percent(line["adapted"])),
        Cell(points(line["difference"]), kind),
        *_numbers(interval(line), p_value(line["p"]), p_value(line["p_holm"])),
        *_numbers(*(percent(line[arm]) if arm in line else "–" for arm in shown)),
        *_numbers(p_value(line["mcnemar_p"]), p_value(line["paper_ttest_p"])),
    ]


def skills(accuracy: Mapping[str, Any]) -> list[str]:
    """The types of prompts that have a figure: the paper's three, then those of other prompt files, then all."""
    others = sorted(set(accuracy) - {*TYPES, "all"})
    return [name for name in (*TYPES, *others, "all") if name in accuracy]


def _other_scores(findings: Findings) -> dict[str, Mapping[str, Any]]:
    """What further CLIP-like models and judges give; the cosine of CLIP itself stands in the text."""
    ends = tuple(metric_names.ENDS)
    shown = sorted(name for name in findings.metrics if name.endswith(ends) and not name.startswith("clip_"))
    return {name: findings.metrics[name]["all"] for name in shown}


def _score_row(name: str, line: Mapping[str, Any], shown: int) -> list[Cell]:
    return [
        Cell(metric_names.meaning(name).titled),
        *_numbers(f"{line['base']:.3f}", f"{line['adapted']:.3f}", signed(line["difference"], 3)),
        *_numbers(interval(line, scale=1, digits=3), p_value(line["p"]), "–", *["–"] * shown, "–"),
        *_numbers(p_value(line["paper_ttest_p"])),
    ]


def quality_table(findings: Findings, printed: paper.Figures) -> Table:
    """The paper's Table 3: image quality and user preference, with what was not computed and why, by method.

    Where the judge rates pictures, its figure stands here as what it is: no metric of the paper.
    """
    found = by_method(findings)
    blocks = {method: _qualities(part, printed.get(method, {}), bool(printed)) for method, part in found.items()}
    first, rows = _stacked(blocks, 1 + bool(printed))
    note = "Image quality should stay as it is; preference is the share of people's decided answers, by exact binomial."
    if any(metric_names.JUDGED in part.metrics for part in found.values()):
        note += f" Quality by the judge: {findings.judge}'s own score, 0 to 1, which the paper does not have."
    return Table("Table 3: quality and preference", note, [first, "Result", *([PAPER] if printed else [])], rows)


def _qualities(findings: Findings, printed: Mapping[str, paper.Arms], with_paper: bool) -> list[list[Cell]]:
    """The rows of one method."""
    rows: dict[str, list[Cell]] = {}
    for name in metric_names.QUALITY:
        rows |= _measured(findings, name)
    rows["preference"] = [Cell("User preference for the adapter ↑"), _preference(findings)]
    for name in sorted(each for each in findings.metrics if each.startswith(ASKED)):
        rows[name] = [Cell(f"Preference, question {name.removeprefix(ASKED)}"), _preference(findings, name)]
    return [[*row, *([_printed(printed.get(name))] if with_paper else [])] for name, row in rows.items()]


def _measured(findings: Findings, name: str) -> dict[str, list[Cell]]:
    """A metric of quality and whether both arms are equal in it, or why it is absent; the judge's only where it is."""
    line, meaning = findings.metrics.get(name, {}).get("all"), metric_names.QUALITY[name]
    if not line and name == metric_names.JUDGED:
        return {}
    if not line:
        return {name: [Cell(meaning.titled), Cell(f"not computed: {why_missing(findings, name)}", GREY)]}
    digits = meaning.digits
    ends = f"{level(findings.confidence)} interval {interval(line, scale=1, digits=digits)}"
    gain = f"Δ {signed(line['difference'], digits)}, {ends}"
    arms = f"base {line['base']:.{digits}f}, adapter {line['adapted']:.{digits}f} ({gain}, p {p_value(line['p'])})"
    equal = equivalence(findings, name)
    shown = Cell(equal) if equal else Cell("not computed: needs two prompts whose base pictures differ in it", GREY)
    return {
        name: [Cell(meaning.titled), Cell(arms)],
        f"{name}, equal": [Cell(f"{meaning.label}, adapter"), shown],
    }


def why_missing(findings: Findings, name: str) -> str:
    """Why a metric is not there: what evaluate said of it, or that nobody asked for it."""
    return findings.not_computed.get(name, f"evaluate.metrics has no entry of kind {name}")


def _preference(findings: Findings, name: str = "preference") -> Cell:
    """The share with its interval over answers and, where it is defined, the one over people."""
    found = findings.metrics.get(name)
    if not found:
        return Cell(f"not computed: {findings.not_computed.get(name, 'no answers')}", GREY)
    ends = f"{percent(found['low'])} to {percent(found['high'])}"
    if "low_by_reviewer" in found:
        by_people = f"{percent(found['low_by_reviewer'])} to {percent(found['high_by_reviewer'])}"
        ends += f"; over {found['reviewers']} people {by_people}"
    p = f"p {p_value(found['p'])}" + (f", Holm {p_value(found['p_holm'])}" if "p_holm" in found else "")
    return Cell(f"{percent(found['adapted'])} ({ends}, {p}, {found['answers']} answers)")


def prompt_table(findings: Findings) -> Table:
    """The paper's Table 7: the share of right images of each prompt and arm, and the paper's where it printed one."""
    arms = (BASE, ADAPTED, *references(findings))
    rows = [
        [
            Cell(row["text"]),
            Cell(row["type"]),
            *_numbers(*(percent(float(row[arm])) if row.get(arm) else "–" for arm in arms)),
            _printed(paper.table_7().get(row["text"]) if row["source"] == paper.SOURCE_OF_TABLE_7 else None),
        ]
        for row in findings.prompts
    ]
    head = ["Prompt", "Type", "Base", "Adapter", *_titles(findings), "Paper: base → adapter"]
    return Table("Prompt by prompt", "Share of right images.", head, rows)


def has_table_7(findings: Findings) -> bool:
    """Whether the paper's nine prompts of Table 7 are among those evaluated."""
    return any(row["source"] == paper.SOURCE_OF_TABLE_7 for row in findings.prompts)


def funnel_table(funnel: Sequence[Step]) -> Table:
    """Rows in and out of each stage and why rows were dropped."""
    rows = [
        [
            Cell(step.stage),
            *_numbers(f"{step.rows_in:,}", f"{step.rows_out:,}"),
            *_numbers(percent(step.rows_out / step.rows_in) if step.rows_in else "–"),
            Cell(", ".join(f"{reason} {count:,}" for reason, count in step.dropped.items())),
        ]
        for step in funnel
    ]
    return Table("From scrape to dataset", "", ["Stage", "In", "Out", "Kept", "Dropped because"], rows)


def models_table(models: Sequence[Model]) -> Table:
    """Each model in use and how good it was measured to be."""
    rows = [
        [
            Cell(model.role),
            Cell(f"{model.name} @ {model.revision}"),
            Cell("; ".join(f"{name} {value:.4g}" for name, value in sorted(model.quality.items())) or model.note),
        ]
        for model in models
    ]
    note = "Measured by whoever built the model, on pictures and sentences held out from its training."
    return Table("How good the models are", note, ["Role", "Model", "Measured"], rows)


def _numbers(*texts: str) -> list[Cell]:
    return [Cell(text, NUMBER) for text in texts]


def _printed(arms: paper.Arms | None) -> Cell:
    return Cell(str(arms) if arms else "–", f"{NUMBER} {GREY}")

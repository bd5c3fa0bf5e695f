"""A study's page in Markdown, and the same figures as JSON."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from pipeline.metrics.evaluation import rounded
from pipeline.report.words import TYPES, interval, level, p_value, percent, points, signed
from pipeline.studies.collecting import Outcome
from pipeline.studies.figures import EQUIVALENCES, gained, holds, is_equal, lost, spread
from pipeline.studies.sentences import Findings, Lines, sentences
from pipeline.studies.tasks import written

NONE = "–"
COLUMNS = (*TYPES, "all")
ENDS = {"base": "base model, simple prompts", "complex": "base model, complex prompts (ceiling)"}


def as_json(found: Findings) -> dict[str, Any]:
    """Everything that the page shows, as numbers."""
    study = found.study
    content = {
        "study": study.name,
        "title": study.title,
        "confidence": found.confidence,
        "sentences": sentences(found),
        "rows": [_row(outcome, found.confidence) for outcome in found.outcomes],
        "without_result": dict(found.failed),
        "contrasts": [{**asdict(contrast), "figures": dict(lines)} for contrast, lines in found.contrasts],
    }
    if study.name == "seeds":
        spreads = {skill: spread(found.outcomes, skill) for skill in TYPES}
        content["seeds_that_hold"] = sum(holds(outcome, found.confidence) for outcome in found.outcomes)
        content["spread"] = {skill: rounded(asdict(made)) for skill, made in spreads.items() if made}
    return content


def _row(outcome: Outcome, confidence: float) -> dict[str, Any]:
    kept = {key: outcome.statistics[key] for key in EQUIVALENCES if outcome.statistics.get(key)}
    return {
        "row": outcome.row.key,
        "label": outcome.row.label,
        "settings": dict(outcome.row.overrides),
        "experiment": outcome.experiment,
        "accuracy": dict(outcome.accuracy),
        "clip_score": _clip_score(outcome),
        "validation": dict(outcome.validation),
        "gained": gained(outcome),
        "lost": lost(outcome, confidence),
        **kept,
    }


def as_markdown(found: Findings, chart: str | None) -> str:
    """The page.

    Args:
        found: the study.
        chart: file name of the chart beside the page, if there is one.
    """
    shown = ["## Each row against the base model", _note(found), _rows_table(found), *_contrasts_section(found)]
    return page(
        found, f"`sur study {found.study.file or found.study.name}` made this page.", sentences(found), chart, shown
    )


def page(found: Findings, made: str, said: Sequence[str], chart: str | None, shown: Sequence[str]) -> str:
    """What every study's page has around its own sections.

    Args:
        found: the study.
        made: how the page came about.
        said: what the figures say.
        chart: file name of the chart beside the page, if there is one.
        shown: the study's own sections.
    """
    title = found.study.title
    parts = [
        f"# {title}",
        made,
        "\n".join(f"- {sentence}" for sentence in said),
        *([f"![{title}]({chart})"] if chart else []),
        *shown,
        "## Settings of each row",
        "All other settings are those of params.yaml.",
        "\n".join(_settings(outcome) for outcome in found.outcomes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _note(found: Findings) -> str:
    first = next((outcome.accuracy for outcome in found.outcomes if outcome.accuracy), {})
    sizes = [
        f"{name} {first[name]['prompts']} prompts, {first[name]['pairs']} pairs" for name in TYPES if name in first
    ]
    return (
        f"Share of right images with the adapter, in parentheses: difference to the base model in points, "
        f"{level(found.confidence)} interval over prompts, p (of the skills corrected by Holm). Paired by prompt and "
        f"first noise. Evaluated: {'; '.join(sizes) or 'no image was judged'}. CLIP score of adapted against base "
        "images: 0.5 is a tie. Equal: difference, p of the equivalence test."
    )


def _rows_table(found: Findings) -> str:
    tests = [key for key in EQUIVALENCES if any(outcome.statistics.get(key) for outcome in found.outcomes)]
    head = ["Row", *(name.capitalize() for name in COLUMNS), "CLIP score", "Validation loss"]
    head += [f"Equal in {EQUIVALENCES[key]}" for key in tests]
    rows = []
    for ends, outcomes in groupby(found.outcomes, _both_ends):  # rows share them, unless they change how one draws
        alike = list(outcomes)
        rows += _ends(ends, alike, len(tests))
        rows += [_cells(outcome, tests, found.confidence) for outcome in alike]
    rows += [[label, "no result", *[""] * (len(head) - 2)] for label in found.failed]
    return table(head, rows)


def _both_ends(outcome: Outcome) -> list[dict[str, Any]]:
    """Shares of right images of the base model on simple and on complex prompts."""
    return [{name: line.get(arm) for name, line in outcome.accuracy.items()} for arm in ENDS]


def _ends(shares: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome], tests: int) -> list[list[str]]:
    """The lines of the base model; its validation loss is told where it is one: each seed draws its own noise."""
    losses = [{outcome.validation.get(arm) for outcome in outcomes} for arm in ENDS]
    return [
        [
            label,
            *(NONE if share.get(name) is None else percent(share[name]) for name in COLUMNS),
            NONE,
            loss(values.pop()) if len(values) == 1 else "differs",
            *[NONE] * tests,
        ]
        for label, share, values in zip(ENDS.values(), shares, losses, strict=True)
    ]


def _cells(outcome: Outcome, tests: Sequence[str], confidence: float) -> list[str]:
    score = _clip_score(outcome)
    return [
        outcome.row.label,
        *_each(outcome.accuracy, lambda line: f"{percent(line['adapted'])} ({_difference(line)})"),
        NONE if score is None else f"{score:.3f}",
        loss(outcome.validation.get("adapted")),
        *(_equivalence(outcome, key, confidence) for key in tests),
    ]


def _each(lines: Lines, cell: Callable[[Mapping[str, Any]], str]) -> Iterator[str]:
    return (cell(lines[name]) if name in lines else NONE for name in COLUMNS)


def _difference(line: Mapping[str, Any]) -> str:
    p = line["p"] if line["p_holm"] is None else line["p_holm"]
    return f"{points(line['difference'])}; {interval(line)}; p {p_value(p)}"


def loss(value: float | None) -> str:
    """Five digits, or a dash where there is none."""
    return NONE if value is None else f"{value:.5f}"


def _equivalence(outcome: Outcome, key: str, confidence: float) -> str:
    equal = is_equal(outcome, key, confidence)
    if equal is None:
        return NONE
    line = outcome.statistics[key]
    return f"{'yes' if equal else 'not shown'} ({signed(line['difference'], 3)}, p {p_value(line['p'])})"


def _clip_score(outcome: Outcome) -> float | None:
    line = outcome.statistics.get("clip_score", {}).get("all")
    return line["adapted"] if line else None


def _contrasts_section(found: Findings) -> list[str]:
    if not found.contrasts:
        return []
    rows = [[f"{contrast.about} {contrast.where}", *_each(lines, _difference)] for contrast, lines in found.contrasts]
    note = (
        f"Points of right images more with it than without it, {level(found.confidence)} interval, p, both rows' "
        "adapted images paired by prompt; Holm over the skills of each line."
    )
    head = ["", *(name.capitalize() for name in COLUMNS)]
    return ["## Rows against each other", note, table(head, rows)]


def _settings(outcome: Outcome) -> str:
    """What a row changes, as a list's item."""
    changes = ", ".join(f"{key}: {written(value)}" for key, value in outcome.row.overrides.items())
    return (
        f"- {outcome.row.label}: {f'`{changes}`' if changes else 'nothing changed'} (experiment `{outcome.experiment}`)"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose cells stay cells whatever a label holds."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

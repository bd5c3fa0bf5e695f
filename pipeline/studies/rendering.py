"""A study's page in Markdown, and the same figures as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.metric_names import CLIP_SCORE
from pipeline.metrics.evaluation import rounded
from pipeline.report import study_tables
from pipeline.report.layout import Table
from pipeline.report.study_pages import LOSSES
from pipeline.report.words import TYPES
from pipeline.studies.collecting import Outcome
from pipeline.studies.figures import gained, holds, lost, spread
from pipeline.studies.sentences import Findings, sentences
from pipeline.studies.tasks import written


def as_json(found: Findings) -> dict[str, Any]:
    """Everything that the page shows, as numbers."""
    study = found.study
    content = {
        "study": study.name,
        "title": study.title,
        "command": f"sur study {study.file or study.name}",
        "confidence": found.confidence,
        "sentences": sentences(found),
        "rows": [_row(outcome, found) for outcome in found.outcomes],
        "without_result": dict(found.failed),
        "contrasts": [{**asdict(contrast), "figures": dict(lines)} for contrast, lines in found.contrasts],
    }
    if study.name == "seeds":
        spreads = {skill: spread(found.outcomes, skill) for skill in TYPES}
        content["seeds_that_hold"] = sum(holds(outcome, found.confidence) for outcome in found.outcomes)
        content["spread"] = {skill: rounded(asdict(made)) for skill, made in spreads.items() if made}
    return content


def _row(outcome: Outcome, found: Findings) -> dict[str, Any]:
    alone = len(found.study.rows) == 1
    return {
        "row": outcome.row.key,
        "label": outcome.row.label,
        **({} if outcome.method is None else {"method": outcome.method}),
        "settings": dict(outcome.row.overrides),
        "run": asdict(outcome.run),
        "experiment": outcome.experiment,
        "accuracy": dict(outcome.accuracy),
        CLIP_SCORE: _clip_score(outcome),
        "quality": dict(outcome.quality),
        "equivalence": dict(outcome.equivalence),
        "validation": dict(outcome.validation),
        **as_curve(outcome),
        "gained": gained(outcome, found.confidence),
        "lost": lost(outcome, found.confidence),
        **({"prompts": [_prompt(line) for line in outcome.prompts]} if alone and outcome.prompts else {}),
    }


def as_curve(outcome: Outcome) -> dict[str, Any]:
    """Steps and losses of the training as the entry ``curve``; nothing where it looked at no validation split."""
    return {"curve": [[step, rounded(loss)] for step, loss in outcome.curve]} if outcome.curve else {}


def _prompt(line: Mapping[str, str]) -> dict[str, Any]:
    """A line of prompts.csv with its shares as numbers."""
    words = ("prompt_id", "type", "source", "wording", "text", "method")
    return {key: value if key in words else float(value) for key, value in line.items() if value}


def _clip_score(outcome: Outcome) -> float | None:
    line = outcome.statistics.get(CLIP_SCORE, {}).get("all")
    return line["adapted"] if line else None


def as_markdown(content: Mapping[str, Any], charts: Sequence[str]) -> str:
    """The page.

    Args:
        content: what :func:`as_json` gave.
        charts: file names of the charts beside the page.
    """
    shown = [part for made in study_tables.tables(content) for part in _section(made)]
    return page(content, f"`{content['command']}` made this page.", charts, shown)


def _section(made: Table) -> list[str]:
    return [f"## {made.title}", made.note, table(made.head, [[cell.whole for cell in row] for row in made.rows])]


def page(content: Mapping[str, Any], made: str, charts: Sequence[str], shown: Sequence[str]) -> str:
    """What every study's page has around its own sections.

    Args:
        content: the study's JSON: title, sentences, rows.
        made: how the page came about.
        charts: file names of the charts beside the page.
        shown: the study's own sections.
    """
    title = content["title"]
    parts = [
        f"# {title}",
        made,
        "\n".join(f"- {sentence}" for sentence in content["sentences"]),
        *(f"![{title}{': losses' * chart.endswith(LOSSES)}]({chart})" for chart in charts),
        *shown,
        "## Settings of each row",
        "All other settings are those of params.yaml.",
        "\n".join(dict.fromkeys(_settings(row) for row in content["rows"])),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _settings(row: Mapping[str, Any]) -> str:
    """What a row changes, as a list's item."""
    changes = ", ".join(f"{key}: {written(value)}" for key, value in sorted(row["settings"].items()))
    return f"- {row['label']}: {f'`{changes}`' if changes else 'nothing changed'} (experiment `{row['experiment']}`)"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose cells stay cells whatever a label holds."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

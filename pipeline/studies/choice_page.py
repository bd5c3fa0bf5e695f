"""The page of the study ``choice``: a table and a chart of what each value of each setting reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.metrics.evaluation import rounded
from pipeline.plots import BLUE, GREY, figure
from pipeline.report.numbers import percent, points
from pipeline.report.study_tables import loss
from pipeline.studies.choosing import Repeats, Trial, closed, repeats, sentences, trials
from pipeline.studies.rendering import as_curve, page, table
from pipeline.studies.sentences import Findings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 3
PANEL_IN = (2.9, 2.4)


def as_json(found: Findings) -> dict[str, Any]:
    """Everything that the page shows, as numbers."""
    spread = repeats(found.outcomes)
    return {
        "study": found.study.name,
        "title": found.study.title,
        "command": f"sur study {found.study.name}",
        "sentences": sentences(found),
        "rows": [
            {
                "row": outcome.row.key,
                "label": outcome.row.label,
                "settings": dict(outcome.row.overrides),
                "experiment": outcome.experiment,
                "validation": dict(outcome.validation),
                "closed": rounded(closed(outcome)),
                **as_curve(outcome),
            }
            for outcome in found.outcomes
        ],
        "seeds": None if spread is None else rounded(asdict(spread)),
        "without_result": dict(found.failed),
    }


def as_markdown(found: Findings, content: Mapping[str, Any], charts: Sequence[str]) -> str:
    """The page.

    Args:
        found: the study.
        content: what :func:`as_json` gave.
        charts: file names of the charts beside the page.
    """
    made = (
        f"`{content['command']}` made this page. One setting at a time was changed; each row was trained and "
        "nothing was drawn, so the evaluation prompts had no part in it. In force are the values that params.yaml had "
        "when the page was made; which others it has now, and why, ADR 0017 says."
    )
    shown = [
        "## Each value",
        "Gap closed: (base − adapted) / (base − complex) of the denoising loss on the validation split, where base and "
        "complex are the base model's losses given the simple and the complex prompts. Points: beside the value in "
        "force.",
        _values_table(found),
        "## Trainings with the values in force",
        _repeats_table(found),
    ]
    return page(content, made, charts, shown)


def _values_table(found: Findings) -> str:
    rows = []
    for key, made in trials(found.outcomes, found.in_force).items():
        current = next((trial.closed for trial in made if trial.in_force), None)
        rows += [[f"`{key}`", *_cells(trial, current)] for trial in made]
    rows += [[label, "no result", "", "", ""] for label in found.failed]
    return table(["Setting", "Value", "Validation loss", "Gap closed", "Points"], rows)


def _cells(trial: Trial, current: float | None) -> list[str]:
    name = f"{trial.value:g}"
    beside = "–" if current is None or trial.in_force else points(trial.closed - current)
    return [f"**{name}** (in force)" if trial.in_force else name, loss(trial.loss), percent(trial.closed), beside]


def _repeats_table(found: Findings) -> str:
    rows = [
        [
            outcome.row.label,
            *(loss(outcome.validation.get(arm)) for arm in ("base", "complex", "adapted")),
            _share(share),
        ]
        for outcome in found.outcomes
        if outcome.row.tried is None
        for share in [closed(outcome)]
    ]
    return table(["Row", "Base", "Complex", "Adapted", "Gap closed"], rows)


def _share(share: float | None) -> str:
    return "–" if share is None else percent(share)


def draw(found: Findings, path: Path) -> bool:
    """Draw one panel a setting: the gap closed by each value, the one in force filled, a band as wide as the seeds lie.

    Returns:
        False, and no file, where there is nothing to draw.
    """
    made, spread = trials(found.outcomes, found.in_force), repeats(found.outcomes)
    if not made:
        return False
    rows = -(-len(made) // COLUMNS)
    with figure(path, PANEL_IN[0] * COLUMNS, PANEL_IN[1] * rows + 0.5) as axes:
        drawing = axes.figure
        axes.remove()
        panels = drawing.subplots(rows, COLUMNS, sharey=True, squeeze=False).flatten()
        for panel, (key, values) in zip(panels, made.items(), strict=False):
            _panel(panel, values, spread)
            panel.set_title(key)
        for panel in panels[len(made) :]:
            panel.remove()
        for panel in panels[: len(made) : COLUMNS]:
            panel.set_ylabel("gap closed, %")
        drawing.suptitle("Gap between simple and complex prompts that training closes (band: seeds; filled: in force)")
    return True


def _panel(panel: "Axes", values: Sequence[Trial], spread: Repeats | None) -> None:
    if spread is not None:
        panel.axhspan(100 * spread.lowest, 100 * spread.highest, color=GREY, alpha=0.25, linewidth=0)
    places = range(len(values))
    panel.plot(places, [100 * trial.closed for trial in values], color=BLUE, linewidth=1.2)
    for place, trial in zip(places, values, strict=True):
        filled = BLUE if trial.in_force else "white"
        panel.plot(place, 100 * trial.closed, "o", color=BLUE, markerfacecolor=filled, markersize=7)
    panel.set_xticks(list(places), [f"{trial.value:g}" for trial in values])
    panel.margins(x=0.15)

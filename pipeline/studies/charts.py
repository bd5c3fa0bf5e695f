"""A study's chart: for each skill the rows' differences to the base model with intervals, and the ceiling."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.plots import BLUE, GREEN, GREY, figure
from pipeline.report.numbers import level, percent
from pipeline.report.words import called, is_significant, kinds, titled
from pipeline.studies.collecting import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_IN, ROW_IN = 3.1, 0.42
BASE_LINE: dict[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 1.2, "label": "base model, simple prompts"}
CEILING_LINE: dict[str, Any] = {
    "color": GREEN,
    "linestyle": ":",
    "linewidth": 1.6,
    "label": "base model, complex prompts (ceiling)",
}


def draw(outcomes: Sequence[Outcome], path: Path, *, confidence: float) -> bool:
    """Draw one panel a skill; a study of layers has them on the horizontal axis, others have a line a row.

    Args:
        outcomes: finished rows.
        path: the PNG file.
        confidence: of the intervals.

    Returns:
        False, and no file, where no image was judged.
    """
    skills = kinds({name: line for outcome in outcomes for name, line in outcome.accuracy.items()})
    if not skills:
        return False
    layers = any(outcome.row.layer is not None for outcome in outcomes)
    height = 3.8 if layers else 1.7 + ROW_IN * len(outcomes)
    with figure(path, (0 if layers else 1.6) + PANEL_IN * len(skills), height) as axes:
        drawing = axes.figure
        axes.remove()
        panels = drawing.subplots(1, len(skills), sharey=True, squeeze=False)[0]
        for panel, skill in zip(panels, skills, strict=True):
            judged = [outcome for outcome in outcomes if skill in outcome.accuracy]
            if layers:
                _by_layer(panel, judged, skill, confidence)
            else:
                _by_row(panel, outcomes, skill, confidence)
            panel.set_title(_titled(skill, judged))
        if layers:
            panels[0].set_ylabel("points over the base model")
        handles, labels = panels[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        drawing.suptitle(f"Right images, adapter minus base, {level(confidence)} interval (blue: significant)")
    return True


def _titled(skill: str, outcomes: Sequence[Outcome]) -> str:
    """The skill, with the base model's share where all rows have the same."""
    bases = {outcome.accuracy[skill]["base"] for outcome in outcomes}
    title = titled(called(skill, {}))
    return f"{title} (base {percent(bases.pop())})" if len(bases) == 1 else title


def _by_row(panel: "Axes", outcomes: Sequence[Outcome], skill: str, confidence: float) -> None:
    heights = range(len(outcomes), 0, -1)
    judged = [(height, each) for height, each in zip(heights, outcomes, strict=True) if skill in each.accuracy]
    for height, outcome in judged:
        centre, ends, colour = _figures(outcome.accuracy[skill], confidence)
        panel.plot(ends, [height] * len(ends), color=colour, linewidth=2)
        panel.plot(centre, height, "s", color=colour, markersize=6)
    panel.axvline(0, **BASE_LINE)
    for ceiling in _ceiling([outcome for _, outcome in judged], skill):
        panel.axvline(ceiling, **CEILING_LINE)
    panel.set_yticks(list(heights), [_short(outcome) for outcome in outcomes])
    panel.set_ylim(0.4, len(outcomes) + 0.6)
    panel.set_xlabel("points over the base model")
    panel.grid(axis="y", visible=False)


def _by_layer(panel: "Axes", outcomes: Sequence[Outcome], skill: str, confidence: float) -> None:
    """Rows that belong to no layer stand to the right of the deepest."""
    deepest = max(outcome.row.layer or 0 for outcome in outcomes)
    places = [outcome.row.layer or 1.3 * deepest for outcome in outcomes]
    for place, outcome in zip(places, outcomes, strict=True):
        centre, ends, colour = _figures(outcome.accuracy[skill], confidence)
        panel.plot([place] * len(ends), ends, color=colour, linewidth=2)
        panel.plot(place, centre, "s", color=colour, markersize=6)
    panel.axhline(0, **BASE_LINE)
    for ceiling in _ceiling(outcomes, skill):
        panel.axhline(ceiling, **CEILING_LINE)
    panel.set_xticks(places, [str(outcome.row.layer or _short(outcome)) for outcome in outcomes])
    panel.set_xlabel("LLM layer")
    panel.grid(axis="x", visible=False)


def _figures(line: Mapping[str, Any], confidence: float) -> tuple[float, list[float], str]:
    """Difference and interval (none: no ends) in points, and the colour."""
    ends = [] if line["low"] is None else [100 * line["low"], 100 * line["high"]]
    return 100 * line["difference"], ends, BLUE if is_significant(line, confidence) else GREY


def _ceiling(outcomes: Sequence[Outcome], skill: str) -> list[float]:
    """How far the base model gets above itself with the complex wording, in points, where that is one for all rows."""
    lines = [outcome.accuracy[skill] for outcome in outcomes]
    found = {100 * (line["complex"] - line["base"]) if "complex" in line else None for line in lines}
    return [value for value in found if value is not None] if len(found) == 1 else []


def _short(outcome: Outcome) -> str:
    label = outcome.row.label.split(" (")[0]
    return label if outcome.method is None else f"{label.split(',')[0]}, {outcome.method}"

"""The report's charts: differences with their intervals, the data funnel, the losses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline.plots import BLUE, GREEN, GREY, ORANGE, RED, figure
from pipeline.report.collect import Findings, Step, by_method
from pipeline.report.numbers import level, points
from pipeline.report.words import called, is_significant, skills

ROW_IN = 0.5
LOSSES = ("train/denoising", "val/denoising", "train/llm", "train/alignment")
WINDOWS = 25
Curves = Mapping[str, Sequence[tuple[int, float]]]


def differences(findings: Findings, path: Path) -> None:
    """Forest plot: for each skill the difference in percentage points with its interval; blue where significant.

    Several methods stand one below the other, the skills of each together.
    """
    found = by_method(findings)
    lines = [(method, name, line) for method, part in found.items() for name, line in _skills(part)]
    heights = _heights([method for method, _, _ in lines])
    with figure(path, 6.4, 1.3 + ROW_IN * (max(heights, default=-1) + 1)) as axes:
        axes.axvline(0, color=GREY, linewidth=1)
        for height, (_, _, line) in zip(heights, lines, strict=True):
            colour = BLUE if is_significant(line, findings.confidence) else GREY
            if line["low"] is not None:
                axes.plot([100 * line["low"], 100 * line["high"]], [height, height], color=colour, linewidth=2)
            axes.plot(100 * line["difference"], height, "s", color=colour, markersize=7)
            axes.annotate(
                points(line["difference"]), (100 * line["difference"], height + 0.18), ha="center", color=colour
            )
        axes.set_yticks(heights, [name if len(found) == 1 else f"{method}: {name}" for method, name, _ in lines])
        axes.set_ylim(-0.6, max(heights, default=0) + 0.7)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("adapter minus base, percentage points of right images")
        axes.set_title(f"Difference with {level(findings.confidence)} interval (blue: significant)")


def _skills(findings: Findings) -> list[tuple[str, Mapping[str, Any]]]:
    accuracy: Mapping[str, Any] = findings.metrics.get("accuracy", {})
    return [(called(name, accuracy), accuracy[name]) for name in skills(accuracy)]


def _heights(methods: Sequence[str]) -> list[float]:
    """Of lines from the top down to 0, with a gap of half a line where the method changes."""
    depths = [row + 0.5 * len(set(methods[: row + 1])) for row in range(len(methods))]
    return [depths[-1] - depth for depth in depths]


def funnel(steps: Sequence[Step], path: Path) -> None:
    """Rows left after each stage."""
    with figure(path, 6.4, 1.1 + ROW_IN * len(steps)) as axes:
        heights = range(len(steps), 0, -1)
        counts = [step.rows_out for step in steps]
        axes.barh(heights, counts, color=BLUE, height=0.6)
        for height, step in zip(heights, steps, strict=True):
            dropped = sum(step.dropped.values())
            axes.annotate(
                f" {step.rows_out:,}" + (f"  (−{dropped:,})" if dropped else ""), (step.rows_out, height), va="center"
            )
        axes.set_yticks(list(heights), [step.stage for step in steps])
        axes.set_xlim(0, 1.25 * max([*counts, 1]))
        axes.grid(axis="y", visible=False)
        axes.set_title("Rows left after each stage (dropped)")


def losses(curves: Curves, path: Path) -> None:
    """Raw losses by step on a logarithmic axis; training averaged over neighbouring steps, validation as it is."""
    shown = {name: _smoothed(name, curves[name]) for name in LOSSES if any(y > 0 for _, y in curves.get(name, ()))}
    with figure(path, 6.4, 3.6) as axes:
        for colour, (name, curve) in zip((BLUE, ORANGE, GREEN, RED), shown.items(), strict=False):
            steps, values = zip(*curve, strict=True)
            marker = "o" if name.startswith("val/") else None
            axes.plot(steps, values, color=colour, linewidth=1.4, marker=marker, markersize=4, label=name)
        if shown:
            axes.set_yscale("log")
            axes.legend()
        axes.set_xlabel("step")
        axes.set_title(f"Raw losses (training: mean over {100 // WINDOWS} % of the steps)")


def _smoothed(name: str, curve: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Means of as many steps in a row; a validation curve as it is."""
    window = 1 if name.startswith("val/") else max(1, len(curve) // WINDOWS)
    blocks = [curve[start : start + window] for start in range(0, len(curve), window)]
    return [(block[-1][0], fmean(value for _, value in block)) for block in blocks]

"""The truth report's charts: scores of own and swapped prompts, a rule's sweep, and what probes read by layer."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from miniature.truth.encoders import TEXT
from miniature.truth.probes import FIELDS
from miniature.truth.rules import Pairs, Rule
from pipeline.plots import BLUE, GREEN, GREY, ORANGE, RED, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = dict(zip(FIELDS, (BLUE, ORANGE, GREEN, RED), strict=True))
STYLES = {"seen": "-", "unseen": "--"}
TICKS = (-100, -50, 0, 40, 60, 80, 90, 95, 98, 100)
HIGHEST = 100.0
"""Of a score: 100 x cosine."""


def scores(pairs: Pairs, rule: Rule, path: Path) -> None:
    """Both scores of every pair by its truth, the rule in force and the minimum complex score that was chosen."""
    parts = (
        ("own prompt, right caption", pairs.both, BLUE),
        ("own prompt, wrong caption", pairs.prompt_belongs & ~pairs.caption_right, ORANGE),
        ("prompt of another picture", ~pairs.prompt_belongs, RED),
    )
    with figure(path, 6.4, 5.0) as axes:
        for label, which, colour in parts:
            count = int(which.sum())
            axes.scatter(
                pairs.complex[which], pairs.simple[which], s=9, c=colour, linewidths=0, label=f"{label} ({count:,})"
            )
        line = np.linspace(lowest(pairs.complex), HIGHEST, 200)
        axes.plot(line, line + rule.margin, c=GREY, label="margin in force: kept above")
        axes.axvline(rule.min_complex, c=GREY, ls="--", label=f"minimum complex score {rule.min_complex:.1f}")
        if np.isfinite(rule.min_simple):
            axes.axhline(rule.min_simple, c=GREY, ls=":", label=f"minimum simple score in force {rule.min_simple:.1f}")
        stretch(axes, "x", lowest(pairs.complex))
        stretch(axes, "y", lowest(pairs.simple))
        axes.set(xlabel="CLIP score of the complex prompt", ylabel="CLIP score of the simple prompt")
        axes.set_title("Every scored pair and its truth (axes stretched towards 100)")
        legend(axes, columns=2)


def legend(axes: "Axes", *, columns: int) -> None:
    """A legend under the chart, where it hides nothing."""
    axes.figure.legend(loc="outside lower center", ncols=columns, fontsize=8)


def lowest(values: NDArray[np.float64]) -> float:
    """Where an axis of scores begins: a little below the least of them."""
    return float(values.min(initial=HIGHEST)) - 5.0


def stretch(axes: "Axes", name: Literal["x", "y"], start: float) -> None:
    """Show scores from ``start`` to 100 by the logarithm of what they lack to 101: most lie close below 100."""
    getattr(axes, f"set_{name}scale")("function", functions=(_squeezed, _restored))
    getattr(axes, f"set_{name}ticks")([tick for tick in TICKS if tick >= start])
    getattr(axes, f"set_{name}lim")(start, HIGHEST)


def _squeezed(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    squeezed: NDArray[np.float64] = -np.log10(np.maximum(HIGHEST + 1.0 - scores, 1e-3))
    return squeezed


def _restored(squeezed: NDArray[np.float64]) -> NDArray[np.float64]:
    restored: NDArray[np.float64] = HIGHEST + 1.0 - 10.0**-squeezed
    return restored


def sweep(curves: Mapping[str, Mapping[str, Any]], chosen: float, path: Path) -> None:
    """Precision, recall and F1 for right captions with own prompts, as the minimum complex score rises."""
    with figure(path, 6.4, 4.2) as axes:
        for split, style in (("train", "-"), ("other", "--")):
            for colour, key in ((BLUE, "precision"), (ORANGE, "recall"), (GREEN, "f1")):
                label = f"{'F1' if key == 'f1' else key}, {split} split{'s' if split == 'other' else ''}"
                shares = [float("nan") if value is None else 100 * value for value in curves[split][key]]
                axes.plot(curves[split]["threshold"], shares, style, c=colour, lw=1.4, label=label)
        axes.axvline(chosen, c=GREY, lw=1, label=f"chosen on train: {chosen:.1f}")
        stretch(axes, "x", lowest(np.array([*curves["train"]["threshold"], *curves["other"]["threshold"]])))
        axes.set(xlabel="minimum complex score (axis stretched towards 100)", ylabel="per cent", ylim=(-2, 102))
        axes.set_title("Good pairs as the minimum complex score rises, margin in force")
        legend(axes, columns=4)


def probes(
    by_layer: Mapping[str, Any], text: Mapping[str, Any], chance: Mapping[str, float], path: Path, *, title: str
) -> None:
    """Accuracy of the probes by layer and wording; beside the last layer the diffusion model's text encoder.

    Args:
        by_layer: ``[layer][field][wording]``, as ``probes.read`` gives for one training.
        text: ``[field][wording]`` of the text encoder.
        chance: by field.
        path: the PNG file.
        title: of the chart.
    """
    numbers = [int(layer) for layer in by_layer]
    beside = max(numbers) * 1.06 + 1
    with figure(path, 7.2, 4.6) as axes:
        for field, colour in COLOURS.items():
            for wording, style in STYLES.items():
                shares = [100 * found[field][wording] for found in by_layer.values()]
                axes.plot(numbers, shares, style, c=colour, lw=1.4, label=f"{field}, {wording} wording")
                filled = colour if wording == "seen" else "none"
                axes.plot(beside, 100 * text[field][wording], "s", ms=5, mec=colour, mfc=filled)
            axes.axhline(100 * chance[field], c=colour, lw=0.8, ls=":")
        axes.set_xticks([*numbers[4::5], beside], [*map(str, numbers[4::5]), TEXT.replace(" ", "\n")])
        axes.set(xlabel="layer of the LLM", ylabel="per cent right", ylim=(-2, 102), title=title)
        legend(axes, columns=4)

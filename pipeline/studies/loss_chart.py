"""The second chart of a study: each training's denoising loss on the validation split, step by step."""

from collections.abc import Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.plots import BLUE, GREEN, GREY, ORANGE, RED, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (BLUE, ORANGE, GREEN, RED, "#6b4f8a")
LOOKS = [(colour, dashes) for dashes, colour in product(("-", "--", ":", "-."), COLOURS)]
"""Colour and dashes of the lines that have a name; more than so many cannot be told apart."""
TALLER_FROM, NAME_IN = 16, 0.2
Row = Mapping[str, Any]
"""A row of ``docs/studies/<name>.json``; several of one training, by method, have one curve, the first's."""


def draw(rows: Sequence[Row], path: Path) -> bool:
    """Draw a curve for each training on a logarithmic axis, names beside it; what goes beyond ``LOOKS`` is grey.

    Args:
        rows: with label and curve (pairs of step and loss), in the study's order.
        path: the PNG file.

    Returns:
        False, and no file, where no training looked at the validation split.
    """
    curves = [(str(row["label"]), row["curve"]) for row in rows if row.get("curve")]
    if not curves:
        return False
    with figure(path, 9.2, 4.2 + NAME_IN * max(0, min(len(curves), len(LOOKS)) - TALLER_FROM)) as axes:
        _others(axes, [curve for _, curve in islice(curves, len(LOOKS), None)])
        for (label, curve), (colour, dashes) in zip(curves, LOOKS, strict=False):
            axes.plot(*zip(*curve, strict=True), color=colour, linestyle=dashes, label=label, **_mark(curve))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:.3g}")
        axes.yaxis.set_minor_formatter("{x:.3g}")
        axes.grid(which="minor")
        axes.set_xlabel("step of the training")
        axes.set_ylabel("denoising loss on the validation split")
        axes.figure.legend(loc="outside right upper")
        axes.set_title("Loss while training")
    return True


def _others(axes: "Axes", curves: Sequence[Sequence[tuple[int, float]]]) -> None:
    """Behind the named curves, those for which there is no look left, under one name."""
    for place, curve in enumerate(curves):
        name: dict[str, Any] = {} if place else {"label": f"{len(curves)} more"}
        axes.plot(*zip(*curve, strict=True), color=GREY, alpha=0.5, linewidth=0.8, **name, **_mark(curve))


def _mark(curve: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """A single value is no line: it gets a dot."""
    return {} if curve[1:] else {"marker": "o"}

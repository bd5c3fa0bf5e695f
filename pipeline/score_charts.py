"""CLIP scores as charts and contact sheets: every pair beside the rule's bounds, and the pairs to look at."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import samples, sheets, tables
from pipeline.clip_rule import SIMPLE_LOWER, ClipParams
from pipeline.clip_score import RESULT
from pipeline.plots import BLUE, GREY, ORANGE, figure
from pipeline.samples import SCORES
from pipeline.tables import KEY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = tables.select(SCORES, ["source", *RESULT.names, "kept", "drop_reason"])
"""What charts and figures need of every pair."""
MOST_POINTS = 20_000
BINS = 80
TILE_PX = 220  # room for both prompts


def gaps(scores: pa.Table) -> npt.NDArray[np.float64]:
    """Simple minus complex score of each pair, (n,)."""
    simple, complex_ = (scores.column(name).to_numpy() for name in ("score_simple", "score_complex"))
    gap: npt.NDArray[np.float64] = simple.astype(np.float64) - complex_
    return gap


def scatter(scores: pa.Table, config: ClipParams, path: Path) -> None:
    """Both scores of every pair and the rule's lines; of very many pairs some that are drawn at random.

    Args:
        scores: with the columns of SHOWN.
        config: the rule.
        path: the PNG file.
    """
    simple, complex_ = scores.column("score_simple").to_numpy(), scores.column("score_complex").to_numpy()
    kept = scores.column("kept").to_numpy()
    drawn = _drawn(scores.num_rows)
    with figure(path, 5.2, 5.6) as axes:
        for which, colour, label in ((kept, BLUE, "kept"), (~kept, ORANGE, "dropped")):
            shown, count = which & drawn, which.sum()
            axes.scatter(complex_[shown], simple[shown], s=6, c=colour, linewidths=0, label=f"{label} ({count:,})")
        _lines(axes, min(simple.min(), complex_.min()), max(simple.max(), complex_.max()), config)
        axes.set(xlabel="CLIP score of the complex prompt", ylabel="CLIP score of the simple prompt")
        told = "" if drawn.all() else f" ({MOST_POINTS:,} of {len(drawn):,} drawn)"
        axes.set_title(f"Pairs above the line{'s' if _minimums(config) else ''} are kept{told}")
        _legend(axes)


def _drawn(count: int) -> npt.NDArray[np.bool_]:
    """Which of so many points are drawn, (count,): all, or always the same ones."""
    drawn = np.arange(count) < MOST_POINTS
    return np.random.default_rng(0).permutation(drawn)


def _minimums(config: ClipParams) -> bool:
    return config.min_simple is not None or config.min_complex is not None


def _lines(axes: "Axes", low: float, high: float, config: ClipParams) -> None:
    margin = config.margin
    axes.plot([low, high], [low + margin, high + margin], c=GREY, label=f"rule: difference of {margin:g}")
    if config.min_simple is not None:
        axes.axhline(config.min_simple, c=GREY, ls="--", label=f"rule: simple score of {config.min_simple:g}")
    if config.min_complex is not None:
        axes.axvline(config.min_complex, c=GREY, ls=":", label=f"rule: complex score of {config.min_complex:g}")


def _legend(axes: "Axes") -> None:
    """Under the chart, where it hides nothing."""
    axes.figure.legend(loc="outside lower center", ncols=2, fontsize=8)


def differences(scores: pa.Table, config: ClipParams, path: Path) -> None:
    """How far the simple prompt is ahead of the complex one: a histogram of all pairs, kept and dropped stacked."""
    gap, kept = gaps(scores), scores.column("kept").to_numpy()
    edges = np.histogram_bin_edges(gap, bins=BINS)
    with figure(path, 6.4, 4.2) as axes:
        labels = [f"kept ({kept.sum():,})", f"dropped ({(~kept).sum():,})"]
        axes.hist([gap[kept], gap[~kept]], bins=edges.tolist(), stacked=True, color=[BLUE, ORANGE], label=labels)
        axes.axvline(config.margin, c=GREY, label=f"rule: at least {config.margin:g}")
        axes.set(xlabel="CLIP score of the simple prompt minus that of the complex one", ylabel="pairs")
        axes.set_title(f"The simple prompt is ahead by {np.median(gap):+.1f} in the median")
        _legend(axes)


def pairs(scored: Path, places: Sequence[int], parts: Path, path: Path) -> None:
    """A contact sheet of some pairs: their difference, the minimum that drops them, and both prompts.

    Args:
        scored: a table SCORES.
        places: its rows, in the order of the sheet.
        parts: ``data/download/parts``.
        path: the PNG file.
    """
    shown = tables.read_places(scored, SCORES, places)
    pictures, rows = samples.read_images(parts, shown), shown.to_pylist()
    sheets.save(path, [pictures[row[KEY]] for row in rows], [_label(row) for row in rows], tile_px=TILE_PX)


def _label(row: dict[str, Any]) -> str:
    reason = "" if row["kept"] or row["drop_reason"] == SIMPLE_LOWER else f" {row['drop_reason']}"
    gap = row["score_simple"] - row["score_complex"]
    return f"{gap:+.1f}{reason}  {row['simple_prompt']}  |  {row['complex_prompt']}"

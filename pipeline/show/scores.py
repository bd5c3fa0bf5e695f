"""CLIP scores to look at: charts with the rule's bounds, and contact sheets of pairs at both ends and at the border."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import cli, score_charts, tables
from pipeline.clip_rule import ClipParams, slack
from pipeline.errors import InputError

Places = npt.NDArray[np.int64]


def draw(data: Path, target: Path, count: int, seed: int) -> list[Path]:
    """Write ``scores.png``, ``differences.png`` and sheets ``best``, ``worst``, ``border``, ``kept`` and ``dropped``.

    Args:
        data: the folder of all stages' outputs.
        target: the folder that the pictures are written into.
        count: pictures a sheet.
        seed: of the sheets ``kept`` and ``dropped``, which are drawn at random.

    Raises:
        InputError: the stage's table or the pictures are missing, or an older version made the table.
    """
    path = data / "clip_filter" / "scores.parquet"
    scores, config = tables.read(path, score_charts.SHOWN), _rule(path)
    score_charts.scatter(scores, config, target / "scores.png")
    score_charts.differences(scores, config, target / "differences.png")
    written = [target / "scores.png", target / "differences.png"]
    for name, places in cli.progress(chosen(scores, config, count, seed).items(), "sheets", unit="sheet"):
        if len(places):
            written.append(target / f"{name}.png")
            score_charts.pairs(path, places.tolist(), data / "download" / "parts", written[-1])
    return written


def _rule(path: Path) -> ClipParams:
    """The settings that the table was made with, which need not be those in force."""
    told = tables.metadata(path)
    if "clip" not in told:
        raise InputError(f"{path} does not say which rule made it: run dvc repro clip_filter")
    return ClipParams.model_validate_json(told["clip"])


def chosen(scores: pa.Table, config: ClipParams, count: int, seed: int) -> dict[str, Places]:
    """Rows of each sheet. The border's are those nearest to the bound that decides them, kept ones first.

    Args:
        scores: with the columns of score_charts.SHOWN.
        config: the rule.
        count: rows a sheet.
        seed: of those drawn at random.
    """
    order = (-score_charts.gaps(scores)).argsort(kind="stable")
    kept = scores.column("kept").to_numpy()
    simple, complex_ = (scores.column(name).to_numpy() for name in ("score_simple", "score_complex"))
    reach = slack(simple, complex_, config).min(axis=1)  # below 0: dropped
    nearest = np.abs(reach).argsort(kind="stable")
    halves = [[row for row in nearest if kept[row] == side][:size] for side, size in _halves(count)]
    return {
        "best": order[:count],
        "worst": order[::-1][:count],
        "border": np.array([*halves[0], *halves[1]], dtype=np.int64),
        "kept": _some(np.flatnonzero(kept), count, seed),
        "dropped": _some(np.flatnonzero(~kept), count, seed),
    }


def _halves(count: int) -> Sequence[tuple[bool, int]]:
    return (True, count - count // 2), (False, count // 2)


def _some(rows: Places, count: int, seed: int) -> Places:
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])

"""Stage ``clip_filter``: keep a pair if its simple prompt fits the picture at least as well as its complex one (CLIP).

Reads     data/caption/captions.parquet        samples.CAPTIONS
          data/download/parts                  the pictures
Writes    data/clip_filter/scores.parquet      samples.SCORES, every pair
          data/clip_filter/dropped.parquet     simple_scores_lower
          data/clip_filter/report.json         kept share by source, beside the paper's
          data/clip_filter/scores.png          both scores of every pair and the rule's line
          data/clip_filter/pairs.png           the 12 best and the 12 worst pairs
Params    clip
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import cli, clip_score, engine, images, operating, samples, sheets, tables
from pipeline.clip_score import ClipParams, ClipScorer
from pipeline.engine import ComputeParams
from pipeline.files import digest
from pipeline.operating import Operator, Runner, Work
from pipeline.params import load
from pipeline.plots import BLUE, GREY, ORANGE, figure
from pipeline.samples import CAPTIONS, SCORES
from pipeline.tables import KEY
from pipeline.work import ROW_KEY, ResultStore

CAPTIONED = Path("data/caption/captions.parquet")
PARTS = Path("data/download/parts")
TARGET = Path("data/clip_filter")

PAPER_KEPT_SHARE = 0.5818  # 66,408 of 114,148 pairs (arXiv 2305.05189, section 3.1)
SHOWN = 12
TILE_PX = 220  # room for both prompts


def main() -> None:
    """Score and filter the captioned samples with the settings in force."""
    config, compute = load(ClipParams, "clip"), load(ComputeParams, "compute")
    clip_filter(
        CAPTIONED,
        PARTS,
        TARGET,
        config,
        build=lambda: _scorer(config, compute),
        unit=engine.unit(compute.clip_batch),
        run=engine.runner(compute),
    )


def _scorer(config: ClipParams, compute: ComputeParams) -> Operator:
    device = engine.device(compute)
    scorer = ClipScorer(config.model, config.revision, device)
    return engine.batches(scorer, compute.clip_batch, device, "clip_batch")


def clip_filter(
    source: Path,
    parts: Path,
    target: Path,
    config: ClipParams,
    *,
    build: Callable[[], Operator],
    unit: int,
    run: Runner = operating.local,
) -> None:
    """Write both scores of every pair and whether the rule keeps it; only the rule depends on the margin.

    Args:
        source: a table CAPTIONS.
        parts: ``data/download/parts``.
        target: the stage's folder.
        config: the model decides the scores, the margin the rule.
        build: makes the operator that scores.
        unit: pairs that are scored and kept together.
        run: where.

    Raises:
        EmptyResultError: the rule keeps no pair.
    """
    rows = tables.read(source, CAPTIONS)
    named = {"model": config.model, "revision": config.revision}
    store = ResultStore("clip_filter", named, clip_score.RESULT, code=(clip_score, images))
    keys = [_key(row) for row in rows.select(["image_sha256", "simple_prompt", "complex_prompt"]).to_pylist()]
    wanted = rows.select([KEY, "part", "simple_prompt", "complex_prompt"]).append_column(ROW_KEY, pa.array(keys))
    run(Work("clip_filter", build, partial(samples.add_images, parts), unit), wanted, store)
    scores = _judged(rows, store.take(keys), config.margin)
    kept = scores.filter(scores.column("kept"))
    samples.require_rows(
        kept, f"clip_filter: none of {rows.num_rows:,} pairs reaches clip.margin, which is {config.margin}"
    )
    tables.write(scores, target / "scores.parquet", SCORES)
    dropped = samples.drop(scores, target / "dropped.parquet")
    _scatter(scores, config.margin, target / "scores.png")
    _extremes(scores, parts, target / "pairs.png")
    samples.write_report(target / "report.json", rows.num_rows, kept.num_rows, dropped, **_figures(scores))
    share = kept.num_rows / rows.num_rows
    cli.say(f"clip_filter: {kept.num_rows:,} of {rows.num_rows:,} pairs kept, {share:.1%} (the paper: 58.2%)")


def _key(row: dict[str, str]) -> str:
    return f"{row['image_sha256']}-{digest([row['simple_prompt'], row['complex_prompt']])}"


def _judged(rows: pa.Table, results: pa.Table, margin: float) -> pa.Table:
    """The rows with scores, verdict and reason: a table SCORES."""
    for name in clip_score.RESULT.names:
        rows = rows.append_column(name, results.column(name))
    kept = clip_score.keep(rows.column("score_simple").to_numpy(), rows.column("score_complex").to_numpy(), margin)
    reasons = [None if stays else "simple_scores_lower" for stays in kept]
    rows = rows.append_column("kept", pa.array(kept)).append_column("drop_reason", pa.array(reasons, pa.string()))
    return tables.check(rows, SCORES)


def _figures(scores: pa.Table) -> dict[str, Any]:
    by_source = scores.group_by("source").aggregate([("kept", "mean")]).sort_by("source").to_pylist()
    shares = {row["source"]: round(row["kept_mean"], 4) for row in by_source}
    shares["total"] = round(sum(scores.column("kept").to_pylist()) / scores.num_rows, 4)
    truncated = sum(scores.column("complex_truncated").to_pylist())
    return {"kept_share": shares, "paper_kept_share": PAPER_KEPT_SHARE, "complex_prompts_truncated": truncated}


def _scatter(scores: pa.Table, margin: float, path: Path) -> None:
    simple, complex_ = scores.column("score_simple").to_numpy(), scores.column("score_complex").to_numpy()
    kept = scores.column("kept").to_numpy()
    with figure(path, 5.2, 5.0) as axes:
        for chosen, colour, label in ((kept, BLUE, "kept"), (~kept, ORANGE, "dropped")):
            axes.scatter(
                complex_[chosen], simple[chosen], s=6, c=colour, linewidths=0, label=f"{label} ({chosen.sum():,})"
            )
        low, high = min(simple.min(), complex_.min()), max(simple.max(), complex_.max())
        axes.plot([low, high], [low + margin, high + margin], c=GREY, label=f"rule: difference of {margin:g}")
        axes.set(xlabel="CLIP score of the complex prompt", ylabel="CLIP score of the simple prompt")
        axes.set_title("Pairs above the line are kept")
        axes.legend()


def _extremes(scores: pa.Table, parts: Path, path: Path) -> None:
    gap = scores.column("score_simple").to_numpy() - scores.column("score_complex").to_numpy()
    order = (-gap).argsort(kind="stable")
    shown = scores.take(pa.array([*order[:SHOWN], *order[SHOWN:][-SHOWN:]], pa.int64()))
    pictures = samples.read_images(parts, shown)
    rows = shown.to_pylist()
    sheets.save(path, [pictures[row[KEY]] for row in rows], [_label(row) for row in rows], tile_px=TILE_PX)


def _label(row: dict[str, Any]) -> str:
    return f"{row['score_simple'] - row['score_complex']:+.1f}  {row['simple_prompt']}  |  {row['complex_prompt']}"


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

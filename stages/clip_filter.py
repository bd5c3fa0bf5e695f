"""Stage ``clip_filter``: keep a pair if its simple prompt fits the picture at least as well as its complex one (CLIP).

Reads     data/caption/captions.parquet        samples.CAPTIONS
          data/download/parts                  the pictures
Writes    data/clip_filter/scores.parquet      samples.SCORES, every pair
          data/clip_filter/embeddings.parquet  clip_score.embeddings: CLIP's features of every picture
          data/clip_filter/dropped.parquet     simple_scores_lower, simple_below_minimum, complex_below_minimum
          data/clip_filter/report.json         kept share by source, beside the paper's
          data/clip_filter/scores.png          both scores of every pair and the rule's lines
          data/clip_filter/pairs.png           the 12 best and the 12 worst pairs
Params    clip
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import (
    cli,
    clip_rule,
    clip_score,
    clip_text_tower,
    clip_texts,
    engine,
    images,
    operating,
    samples,
    score_charts,
    tables,
)
from pipeline.clip_rule import ClipParams
from pipeline.clip_score import PROMPTS, PictureEncoder, PromptScorer
from pipeline.engine import ComputeParams
from pipeline.errors import EmptyResultError
from pipeline.files import digest
from pipeline.operating import Operator, Runner, Work
from pipeline.params import load
from pipeline.samples import CAPTIONS, SCORES
from pipeline.tables import KEY
from pipeline.work import ROW_KEY, ResultStore

CAPTIONED = Path("data/caption/captions.parquet")
PARTS = Path("data/download/parts")
TARGET = Path("data/clip_filter")

PAPER_KEPT_SHARE = 0.5818  # 66,408 of 114,148 pairs (arXiv 2305.05189, section 3.1)
SHOWN = 12
AT_ONCE = operating.ROWS_AT_ONCE
PACKED = tables.PLAIN_ROW_GROUP_ROWS  # rows that are packed together


def main() -> None:
    """Score and filter the captioned samples with the settings in force."""
    config, compute = load(ClipParams, "clip"), load(ComputeParams, "compute")
    clip_filter(
        CAPTIONED,
        PARTS,
        TARGET,
        config,
        pictures=lambda: _operator(PictureEncoder, config, compute),
        prompts=lambda: _operator(PromptScorer, config, compute),
        unit=engine.unit(compute.clip_batch),
        run=engine.runner(compute),
    )


def _operator(kind: type[PictureEncoder] | type[PromptScorer], config: ClipParams, compute: ComputeParams) -> Operator:
    device = engine.device(compute)
    return engine.batches(kind(clip_score.load(config, device)), compute.clip_batch, device, "clip_batch")


def clip_filter(
    source: Path,
    parts: Path,
    target: Path,
    config: ClipParams,
    *,
    pictures: Callable[[], Operator],
    prompts: Callable[[], Operator],
    unit: int,
    run: Runner = operating.local,
) -> None:
    """Write both scores of every pair and whether the rule keeps it; only the rule depends on margin and minimums.

    Args:
        source: a table CAPTIONS.
        parts: ``data/download/parts``.
        target: the stage's folder.
        config: the model decides the scores; margin and minimums are the rule.
        pictures: makes the operator that encodes pictures; each is encoded once for a model, whatever its prompts.
        prompts: makes the operator that scores prompts against an encoded picture.
        unit: pairs that are computed and kept together.
        run: where.

    Raises:
        EmptyResultError: the rule keeps no pair; the scores are written, so that bounds can be chosen by them.
    """
    features = ResultStore("clip_pictures", config.pictures(), clip_score.FEATURES, code=(clip_score, images))
    code = (clip_score, clip_text_tower, clip_texts, images)
    scored = ResultStore("clip_filter", config.scores(), clip_score.RESULT, code=code)
    for rows in tables.read_parts(source, CAPTIONS, AT_ONCE):
        place = rows.select([KEY, "part"]).append_column(ROW_KEY, rows.column("image_sha256"))
        run(Work("clip_filter: pictures", pictures, partial(samples.add_images, parts), unit), place, features)
        pairs = rows.select(["image_sha256", "simple_prompt", "complex_prompt"])
        pairs = pairs.append_column(ROW_KEY, pa.array(_keys(rows)))
        run(Work("clip_filter: prompts", prompts, partial(_add_features, features), unit), pairs, scored)
    told = SCORES.with_metadata({"clip": json.dumps(config.model_dump())})
    tables.write_in_order(_judged(source, scored, config), target / "scores.parquet", told)
    _tell(target, parts, config)
    _write_embeddings(source, features, config, target / "embeddings.parquet")


def _add_features(features: ResultStore, rows: pa.Table) -> pa.Table:
    """The rows with their pictures' features."""
    found = features.take(rows.column("image_sha256").to_pylist(), clip_score.FEATURES)
    return rows.append_column("embedding", found.column("embedding"))


def _keys(rows: pa.Table) -> list[str]:
    """What each pair's scores are made from: its picture and both prompts."""
    columns = (rows.column(name).to_pylist() for name in ("image_sha256", "simple_prompt", "complex_prompt"))
    return [f"{picture}-{digest([simple, complex_])}" for picture, simple, complex_ in zip(*columns, strict=True)]


def _judged(source: Path, scored: ResultStore, config: ClipParams) -> Iterator[pa.Table]:
    """The rows with scores, verdict and reason: tables SCORES."""
    for rows in tables.read_parts(source, CAPTIONS, PACKED):
        found = scored.take(_keys(rows), clip_score.RESULT)
        simple, complex_ = (found.column(f"score_{kind}").to_numpy() for kind in PROMPTS)
        reasons = clip_rule.reasons(simple, complex_, config)
        judged = [*rows.columns, *found.columns, pc.is_null(reasons), reasons]
        yield pa.table(judged, names=[*rows.column_names, *found.column_names, "kept", "drop_reason"])


def _tell(target: Path, parts: Path, config: ClipParams) -> None:
    """What the rule dropped, the charts, the report and the log's line, all from the table that was written."""
    path = target / "scores.parquet"
    dropped = samples.drop(tables.read(path, tables.select(SCORES, tables.DROPPED.names)), target / "dropped.parquet")
    scores = tables.read(path, score_charts.SHOWN)
    total, kept = scores.num_rows, scores.num_rows - dropped.total()
    if not kept:
        raise EmptyResultError(f"clip_filter: none of {total:,} pairs reaches {clip_rule.bounds(config)}")
    score_charts.scatter(scores, config, target / "scores.png")
    order = (-score_charts.gaps(scores)).argsort(kind="stable")
    score_charts.pairs(path, [*order[:SHOWN], *order[SHOWN:][-SHOWN:]], parts, target / "pairs.png")
    samples.write_report(target / "report.json", total, kept, dropped, **_figures(scores))
    cli.say(f"clip_filter: {kept:,} of {total:,} pairs kept, {kept / total:.1%} (the paper: 58.2%)")


def _figures(scores: pa.Table) -> dict[str, Any]:
    by_source = scores.group_by("source").aggregate([("kept", "mean")]).sort_by("source").to_pylist()
    shares = {row["source"]: round(row["kept_mean"], 4) for row in by_source}
    shares["total"] = round(pc.mean(scores.column("kept")).as_py(), 4)
    truncated = {f"{kind}_prompts_truncated": pc.sum(scores.column(f"{kind}_truncated")).as_py() for kind in PROMPTS}
    return {"kept_share": shares, "paper_kept_share": PAPER_KEPT_SHARE, **truncated}


def _write_embeddings(source: Path, features: ResultStore, config: ClipParams, path: Path) -> None:
    """Every picture's features in the order of the samples, for later metrics."""

    def vectors(pictures: pa.ChunkedArray) -> pa.ChunkedArray:
        return features.take(pictures.to_pylist(), clip_score.FEATURES).column("embedding")

    first = next(tables.read_parts(source, CAPTIONS, 1))
    shape = clip_score.embeddings(len(vectors(first.column("image_sha256"))[0]))
    rows = (
        pa.table([part.column(KEY), vectors(part.column("image_sha256")).cast(shape.types[1])], schema=shape)
        for part in tables.read_parts(source, CAPTIONS, PACKED)
    )
    tables.write_in_order(rows, path, shape.with_metadata(config.pictures()))


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

"""Stage ``review_import``: people's verdicts joined into one for each pair (the paper's second filter).

Reads     data/clip_filter/scores.parquet         samples.SCORES, the kept rows
          reviews/triplets/*.jsonl                one line a verdict, one file a reviewer, in git
Writes    data/review_import/verdicts.parquet     samples.VERDICTS
          data/review_import/dropped.parquet      tables.DROPPED
          data/review_import/agreement.json       raw share, Cohen's kappa, Krippendorff's alpha, by reviewer
          data/review_import/report.json
Params    review
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import cli, params, samples, tables
from pipeline.errors import EmptyResultError, InputError
from pipeline.files import write_json
from pipeline.review import agreement
from pipeline.review.tasks import row_key
from pipeline.review.verdicts import ReviewParams, Reviews, drop_reason, join, read_reviews

SCORED = Path("data/clip_filter/scores.parquet")
REVIEWS = Path("reviews/triplets")
TARGET = Path("data/review_import")


def main() -> None:
    """Take in the verdicts under the policy of params.yaml."""
    review_import(SCORED, REVIEWS, TARGET, params.load(ReviewParams, "review"))


def review_import(scored: Path, reviews: Path, target: Path, config: ReviewParams) -> None:
    """Join all reviewers' answers and decide which pairs stay.

    Raises:
        InputError: a line of the reviews is broken, or a pair has no verdict although ``review.require`` is true.
        EmptyResultError: no pair stays.
    """
    rows = tables.read(scored, samples.SCORES)
    rows = rows.filter(rows.column("kept"))
    keys = [row_key(row) for row in rows.to_pylist()]
    said = read_reviews(reviews)
    judged = _judge(rows, keys, said, config)
    _require_all(judged, config)
    tables.write(judged, target / "verdicts.parquet", samples.VERDICTS)
    dropped = samples.drop(judged, target / "dropped.parquet")
    kept = judged.num_rows - dropped.total()
    if not kept:
        raise EmptyResultError(f"no pair is left: {dict(dropped)} of {judged.num_rows} pairs; see review.policy")
    fresh = [said.ballots[key] for key in sorted({*keys} & {*said.ballots})]
    write_json(target / "agreement.json", agreement.summary(fresh, said.seconds))
    figures = _figures(judged, keys, said)
    samples.write_report(target / "report.json", judged.num_rows, kept, dropped, **figures)
    unreviewed = figures["verdicts"].get("unreviewed", 0)
    cli.say(f"review_import: {kept:,} of {judged.num_rows:,} pairs stay, {unreviewed:,} without a verdict")


def _judge(rows: pa.Table, keys: list[str], said: Reviews, config: ReviewParams) -> pa.Table:
    judged = []
    for row, key in zip(rows.select(samples.CAPTIONS.names).to_pylist(), keys, strict=True):
        answers = said.ballots.get(key, {}).values()
        verdict = join(answers, config.policy, said.rulings.get(key, {}).values())
        reason = drop_reason(verdict, config.unsure)
        joined = {"verdict": verdict, "reviewers": len(answers), "kept": reason is None, "drop_reason": reason}
        judged.append({**row, "review_key": key, **joined})
    return tables.from_rows(judged, samples.VERDICTS)


def _require_all(judged: pa.Table, config: ReviewParams) -> None:
    missing = judged.column("verdict").to_pylist().count("unreviewed")
    if config.require and missing:
        raise InputError(
            f"{missing} of {judged.num_rows} pairs have no verdict: look at data/review_export/README.md, write "
            "verdicts into reviews/triplets, or set review.require: false"
        )


def _figures(judged: pa.Table, keys: list[str], said: Reviews) -> dict[str, Any]:
    """Counts of report.json; stale verdicts belong to a picture, caption or prompt that is no longer there."""
    known = {*keys}
    both = (said.ballots, said.rulings)
    stale = sum(len(people) for ballots in both for key, people in ballots.items() if key not in known)
    verdicts = Counter(judged.column("verdict").to_pylist())
    return {
        "verdicts": dict(verdicts),
        "stale": stale,
        "adjudicated": len(known & said.rulings.keys()),
        "reviewers": sorted({who for ballots in both for people in ballots.values() for who in people}),
    }


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import cli, params, samples, tables
from pipeline.errors import EmptyResultError, InputError
from pipeline.files import write_json
from pipeline.review import agreement
from pipeline.review.tasks import row_key
from pipeline.review.verdicts import Ballots, ReviewParams, Reviews, drop_reason, join, on, read_reviews, that_count

SCORED = Path("data/clip_filter/scores.parquet")
REVIEWS = Path("reviews/triplets")
TARGET = Path("data/review_import")
ROWS_AT_ONCE = tables.PLAIN_ROW_GROUP_ROWS
JOINED = pa.schema([column for column in samples.VERDICTS if column.name not in samples.CAPTIONS.names])


def main() -> None:
    """Take in the verdicts under the policy of params.yaml."""
    review_import(SCORED, REVIEWS, TARGET, params.load(ReviewParams, "review"))


def review_import(scored: Path, reviews: Path, target: Path, config: ReviewParams) -> None:
    """Join all reviewers' answers and decide which pairs stay.

    Raises:
        InputError: a line of the reviews is broken, or a pair has no verdict although ``review.require`` is true.
        EmptyResultError: no pair stays.
    """
    reviews_read = read_reviews(reviews)
    outcome = _Outcome()
    judged = _judge(scored, reviews_read, config, outcome)
    tables.write_in_order(_required(judged, config, outcome), target / "verdicts.parquet", samples.VERDICTS)
    dropped = samples.drop(pa.concat_tables(outcome.dropped), target / "dropped.parquet")
    kept = outcome.pairs - dropped.total()
    if not kept:
        raise EmptyResultError(f"no pair is left: {dict(dropped)} of {outcome.pairs} pairs; see review.policy")
    fresh = Ballots(reviews_read.said, outcome.reviewed)
    write_json(target / "agreement.json", agreement.summary(fresh, reviews_read.seconds))
    samples.write_report(target / "report.json", outcome.pairs, kept, dropped, **_figures(outcome, reviews_read))
    unreviewed = outcome.verdicts["unreviewed"]
    cli.say(f"review_import: {kept:,} of {outcome.pairs:,} pairs stay, {unreviewed:,} without a verdict")


@dataclass
class _Outcome:
    """What is known of the pairs once all have passed."""

    verdicts: Counter[str] = field(default_factory=Counter)
    reviewed: set[str] = field(default_factory=set)
    """Review keys of today that have a reviewer's verdict."""
    adjudicated: set[str] = field(default_factory=set)
    dropped: list[pa.Table] = field(default_factory=lambda: [tables.DROPPED.empty_table()])

    @property
    def pairs(self) -> int:
        return self.verdicts.total()


def _judge(scored: Path, reviews: Reviews, config: ReviewParams, outcome: _Outcome) -> Iterator[pa.Table]:
    """The kept pairs with their joined verdicts as samples.VERDICTS, some rows at a time."""
    for part in tables.read_parts(scored, samples.SCORES, ROWS_AT_ONCE):
        rows = part.filter(part.column("kept")).select(samples.CAPTIONS.names)
        joined = [_join(row_key(row), reviews, config, outcome) for row in rows.to_pylist()]
        columns = pa.Table.from_pylist(joined, schema=JOINED)
        table = pa.Table.from_arrays([*rows.columns, *columns.columns], names=samples.VERDICTS.names)
        dropped = table.filter(pc.is_valid(table.column("drop_reason"))).select(tables.DROPPED.names)
        outcome.dropped.append(dropped.cast(tables.DROPPED))
        yield table


def _join(key: str, reviews: Reviews, config: ReviewParams, outcome: _Outcome) -> dict[str, Any]:
    said, rulings = on(reviews.said, key), on(reviews.rulings, key)
    verdict = join(that_count(said), config.policy, that_count(rulings))
    reason = drop_reason(verdict, config.unsure)
    outcome.verdicts[verdict] += 1
    if said:
        outcome.reviewed.add(key)
    if rulings:
        outcome.adjudicated.add(key)
    joined = {"review_key": key, "verdict": verdict, "reviewers": len(said)}
    return {**joined, "kept": reason is None, "drop_reason": reason}


def _required(judged: Iterator[pa.Table], config: ReviewParams, outcome: _Outcome) -> Iterator[pa.Table]:
    """The same pairs; at their end it is an error that some have no verdict, unless that is allowed."""
    yield from judged
    missing = outcome.verdicts["unreviewed"]
    if config.require and missing:
        raise InputError(
            f"{missing} of {outcome.pairs} pairs have no verdict: look at data/review_export/README.md, give "
            "them with sur review, or set review.require: false"
        )


def _figures(outcome: _Outcome, reviews: Reviews) -> dict[str, Any]:
    """Counts of report.json; stale verdicts belong to a picture, caption or prompt that is no longer there."""
    return {
        "verdicts": dict(outcome.verdicts),
        "stale": reviews.stale(outcome.reviewed, outcome.adjudicated),
        "adjudicated": len(outcome.adjudicated),
        "reviewers": reviews.people(),
    }


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

"""Review verdicts drawn from the miniature's truth, so that the workflow has some without a person.

    python -m miniature.reviews

Reads     data/review_export/queue.parquet
Writes    reviews/triplets/miniature-truth.jsonl, to be committed; the reviewer's name says what it is

A pair is rejected where its prompt belongs to another picture, or where the caption does not say what the picture
shows: count, colour, kind, action and ground, each of its own group.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from miniature.sites import truth
from miniature.understanding import Meaning, understand
from pipeline import cli, tables
from pipeline.files import write_text
from pipeline.review.tasks import QUEUE
from pipeline.tables import KEY

TASKS = Path("data/review_export/queue.parquet")
TARGET = Path("reviews/triplets/miniature-truth.jsonl")
REVIEWER = "miniature truth (not a person)"
REASONS = {
    "count": "wrong_count",
    "colour": "wrong_colour",
    "kind": "wrong_object",
    "action": "wrong_action",
    "ground": "wrong_ground",
}
MIXED_UP = "wrong_group"
OTHER_PICTURE = "other_picture"


def main() -> None:
    """Judge the queue of the last review_export."""
    verdicts = judge(tables.read(TASKS, QUEUE), {record[KEY]: record for record in truth()})
    write_text(TARGET, "".join(json.dumps(verdict) + "\n" for verdict in verdicts))
    rejected = sum(verdict["verdict"] == "reject" for verdict in verdicts)
    cli.say(f"{len(verdicts):,} verdicts written into {TARGET}, {rejected:,} of them reject")


def judge(queue: pa.Table, records: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line of reviews/triplets for each pair whose truth is known, in the order of the queue's keys.

    Args:
        queue: QUEUE.
        records: sample_id -> what ``sites.truth`` says of it.
    """
    known = [row for row in queue.to_pylist() if row[KEY] in records]
    verdicts = [_verdict(row["review_key"], _reasons(row["simple_prompt"], records[row[KEY]])) for row in known]
    return sorted(verdicts, key=lambda verdict: str(verdict["review_key"]))


def _reasons(caption: str, record: Mapping[str, Any]) -> list[str]:
    said, shown = understand(caption), Meaning.of(record["scene"])
    reasons = [reason for field, reason in REASONS.items() if not said.agrees(shown, field)]
    if not reasons and not said.matches(shown):
        reasons = [MIXED_UP]
    return [*reasons, OTHER_PICTURE] if record["fault"] == "wrong_prompt" else reasons


def _verdict(key: str, reasons: list[str]) -> dict[str, Any]:
    verdict = "reject" if reasons else "keep"
    return {"review_key": key, "verdict": verdict, "reviewer": REVIEWER, "reasons": reasons, "note": ""}


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

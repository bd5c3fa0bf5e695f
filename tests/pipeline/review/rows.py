"""Rows as the CLIP filter writes them, for tests of the review."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline import tables
from pipeline.review import tasks
from pipeline.samples import SCORES


def scored(
    margins: Sequence[float], *, kept: bool = True, part: str = "part-00000.parquet", simple_prompt: str | None = None
) -> pa.Table:
    """One row a margin, named a:0, a:1 and so on."""
    return tables.from_rows(
        (
            {
                "sample_id": f"a:{index}",
                "source": "lexica",
                "licence": "CC0-1.0",
                "page_url": f"https://example.org/{index}",
                "split": "train",
                "image_sha256": f"{index:064x}",
                "part": part,
                "complex_prompt": f"(red circle:1.{index}), 8k",
                "simple_prompt": simple_prompt or f"circle number {index}",
                "score_simple": 20.0 + margin,
                "score_complex": 20.0,
                "simple_truncated": False,
                "complex_truncated": False,
                "kept": kept,
                "drop_reason": None if kept else "simple_scores_lower",
            }
            for index, margin in enumerate(margins)
        ),
        SCORES,
    )


def queued(rows: pa.Table, path: Path) -> Path:
    """Write the queue of such rows, as stage review_export does; gives its path."""
    scores = path.with_name("scores-of-the-queue.parquet")
    tables.write(rows, scores, SCORES)
    tables.write_in_order(tasks.queue(scores, tasks.ranks(scores)), path, tasks.QUEUE)
    return path

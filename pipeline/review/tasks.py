"""What reviewers work on: the queue of pairs, Label Studio's import format, a CSV, and how to start."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipeline import tables
from pipeline.tables import KEY, column

QUEUE = tables.schema(
    column(KEY, pa.string(), "the pair"),
    column("review_key", pa.string(), "hash of the picture and both prompts: a verdict holds for these alone"),
    column("rank", pa.int32(), "order of review, 0 first: smallest margin first, where the CLIP rule was least sure"),
    column("margin", pa.float32(), "score_simple - score_complex, in CLIP logits"),
    column("source", pa.string(), "where it was scraped"),
    column("page_url", pa.string(), "the page where a person finds the picture"),
    column("part", pa.string(), "file in data/download/parts that holds the picture"),
    column("image_sha256", pa.string(), "of the downloaded bytes"),
    column("simple_prompt", pa.string(), "p_s: the caption to check"),
    column("complex_prompt", pa.string(), "p_c: the source's prompt"),
)

LABEL_STUDIO_CONFIG = """\
<View>
  <Image name="img" value="$image"/>
  <Text name="simple" value="$simple_prompt"/>
  <Text name="complex" value="$complex_prompt"/>
  <Choices name="verdict" toName="img" choice="single" required="true" showInline="true">
    <Choice value="keep" hotkey="1"/><Choice value="reject" hotkey="2"/><Choice value="unsure" hotkey="3"/>
  </Choices>
  <Choices name="reasons" toName="img" choice="multiple" visibleWhen="choice-selected" whenTagName="verdict"
           whenChoiceValue="reject">
    <Choice value="wrong_object"/><Choice value="wrong_count"/><Choice value="wrong_colour"/>
    <Choice value="wrong_action"/><Choice value="other_picture"/><Choice value="nsfw"/><Choice value="watermark"/>
  </Choices>
  <TextArea name="note" toName="img" rows="2" maxSubmissions="1"/>
</View>
"""

GUIDE = """\
# Reviewing {pairs} pairs

Question: do both prompts say what the picture shows? `queue.parquet` and `tasks.csv` hold the pairs, those first where
the CLIP rule was least sure.

1. Pictures as files: `python -m pipeline.review.pictures review-pictures/pairs` writes `<image_sha256>.jpg` for each.
2. Write one line a pair into `reviews/triplets/<your name>.jsonl`, for instance

       {example}

   `verdict` is keep, reject or unsure; `reasons` and `note` are free. A later line of yours on the same key replaces
   the earlier one. A verdict holds for this picture with these two prompts: a new caption asks again.
3. `dvc repro` takes the verdicts in.

Label Studio: make a project with the configuration below, import `tasks.json`, and serve the pictures with
`LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true`,
`LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=<absolute path>/review-pictures` and a local-files storage on its subfolder
`pairs`. Importing the same tasks twice makes each of them twice.

```xml
{config}```
"""


def review_key(image_sha256: str, simple_prompt: str, complex_prompt: str) -> str:
    """The key of a verdict, 64 hex digits: another picture, caption or prompt gives another key."""
    content = json.dumps([image_sha256, simple_prompt, complex_prompt], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def row_key(row: Mapping[str, Any]) -> str:
    """The review key of a row with the columns of samples.CAPTIONS."""
    return review_key(row["image_sha256"], row["simple_prompt"], row["complex_prompt"])


def queue(kept: pa.Table) -> pa.Table:
    """The pairs to review as QUEUE, in order of review.

    Args:
        kept: rows of samples.SCORES that the CLIP rule kept.
    """
    rows = [
        {
            **{name: row[name] for name in QUEUE.names if name in row},
            "review_key": row_key(row),
            "margin": row["score_simple"] - row["score_complex"],
        }
        for row in kept.to_pylist()
    ]
    rows.sort(key=lambda row: (row["margin"], row[KEY]))
    return tables.from_rows(({**row, "rank": rank} for rank, row in enumerate(rows)), QUEUE)


def label_studio(rows: pa.Table) -> list[dict[str, Any]]:
    """Label Studio's import format: one task a pair; the pictures come from its local-files storage."""
    return [
        {
            "data": {
                "image": f"/data/local-files/?d=pairs/{row['image_sha256']}.jpg",
                "simple_prompt": row["simple_prompt"],
                "complex_prompt": row["complex_prompt"],
                "sample_id": row[KEY],
                "review_key": row["review_key"],
            },
            "meta": {"source": row["source"], "page_url": row["page_url"], "margin": round(row["margin"], 4)},
        }
        for row in rows.to_pylist()
    ]


def as_csv(rows: pa.Table) -> str:
    """The queue for a spreadsheet."""
    columns = ["rank", KEY, "review_key", "margin", "simple_prompt", "complex_prompt", "page_url"]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "margin": f"{row['margin']:.4f}"} for row in rows.to_pylist())
    return stream.getvalue()


def guide(rows: pa.Table) -> str:
    """How a person starts, in Markdown, with a line of the queue as example."""
    line = {"review_key": rows.column("review_key")[0].as_py(), "verdict": "keep", "reviewer": "your name"}
    example = json.dumps({**line, "reasons": [], "note": ""})
    return GUIDE.format(pairs=f"{rows.num_rows:,}", example=example, config=LABEL_STUDIO_CONFIG)

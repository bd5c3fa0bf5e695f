"""What reviewers work on: the queue of pairs, Label Studio's import format, a CSV, and how to start."""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import tables
from pipeline.files import atomic_file
from pipeline.samples import SCORES
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

IN_KEY = ["image_sha256", "simple_prompt", "complex_prompt"]
ROWS_IN_ORDER = 32_768
ROWS_AS_PYTHON = 1_000
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")

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

`sur review --reviewer "your name"` opens a page for it in the browser (docs/review.md). Without that page:

1. Pictures as files: `python -m pipeline.review.pictures review-pictures/pairs` writes `<image_sha256>.jpg` for each.
2. Write one line a pair into `reviews/triplets/<your name>.jsonl`, for instance

       {example}

   `verdict` is keep, reject or unsure; `reasons` and `note` are free. A later line of yours on the same key replaces
   the earlier one. A verdict holds for this picture with these two prompts: a new caption asks again.
3. `dvc repro` takes the verdicts in.

Label Studio: make a project with the configuration below, import `tasks.json`, and serve the pictures with
`LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true`,
`LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=<absolute path>/review-pictures` and a local-files storage on its subfolder
`pairs`. Importing the same tasks twice makes each of them twice. Its export comes in by
`sur review-import FILE --task triplets`, and so does `tasks.csv` with a column `verdict` (docs/label-studio.md).

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


def ranks(scored: Path) -> pa.Array:
    """The place of each row of the file in the order of review, 0 first; null where the filter did not keep it.

    Args:
        scored: samples.SCORES.
    """
    columns = tables.select(SCORES, [KEY, "score_simple", "score_complex", "kept"])
    rows = tables.read(scored, columns)
    simple, other = (rows.column(name).cast(pa.float64()) for name in ("score_simple", "score_complex"))
    margins = pa.table({"margin": pc.subtract(simple, other), KEY: rows.column(KEY)})
    order = pc.sort_indices(margins, [("margin", "ascending"), (KEY, "ascending")]).to_numpy()
    kept = rows.column("kept").to_numpy()
    order = order[kept[order]]
    found = np.zeros(rows.num_rows, np.int32)
    found[order] = np.arange(len(order), dtype=np.int32)
    return pa.array(found, mask=~kept)


def queue(scored: Path, ranks: pa.Array) -> Iterator[pa.Table]:
    """The pairs to review as QUEUE, some rows at a time, in the order of the file.

    Args:
        scored: samples.SCORES.
        ranks: of its rows.
    """
    start = 0
    for part in tables.read_parts(scored, SCORES, tables.PLAIN_ROW_GROUP_ROWS):
        here = ranks.slice(start, part.num_rows)
        start += part.num_rows
        rows = part.append_column("rank", here).filter(part.column("kept"))
        simple, other = (rows.column(name).cast(pa.float64()) for name in ("score_simple", "score_complex"))
        rows = rows.append_column("margin", pc.subtract(simple, other).cast(pa.float32()))
        keys = [row_key(row) for row in rows.select(IN_KEY).to_pylist()]
        yield tables.check(rows.append_column("review_key", pa.array(keys, pa.string())), QUEUE)


def in_order(queue: Path) -> Iterator[dict[str, Any]]:
    """The rows of a written queue by rank; some ten thousand are in memory at a time."""
    order = np.argsort(tables.read(queue, tables.select(QUEUE, ["rank"])).column("rank").to_numpy())
    for start in range(0, len(order), ROWS_IN_ORDER):
        rows = tables.read_places(queue, QUEUE, order[start : start + ROWS_IN_ORDER].tolist())
        for part in rows.to_batches(max_chunksize=ROWS_AS_PYTHON):
            yield from part.to_pylist()


def label_studio(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the queue as a task in Label Studio's import format; pictures come from its local-files storage."""
    return {
        "data": {
            "image": f"/data/local-files/?d=pairs/{row['image_sha256']}.jpg",
            "simple_prompt": row["simple_prompt"],
            "complex_prompt": row["complex_prompt"],
            "sample_id": row[KEY],
            "review_key": row["review_key"],
        },
        "meta": {"source": row["source"], "page_url": row["page_url"], "margin": round(row["margin"], 4)},
    }


def write_json_list(path: Path, values: Iterable[Any]) -> None:
    """The bytes of :func:`files.write_json` for a list that memory should not hold."""
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        before = "["
        for value in values:
            text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
            stream.write(f"{before}\n  " + text.replace("\n", "\n  "))
            before = ","
        stream.write("\n]\n" if before == "," else "[]\n")


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """The queue for a spreadsheet; what a reviewer says goes into columns of their own."""
    columns = ["rank", KEY, "review_key", "margin", "simple_prompt", "complex_prompt", "page_url"]
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(_cells(row) for row in rows)


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: inert(row[name]) for name in ("simple_prompt", "complex_prompt", "page_url")}
    return {**row, **texts, "margin": f"{row['margin']:.4f}"}


def inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula, which could call a program or an address; it is only shown."""
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def guide(pairs: int, review_key: str) -> str:
    """How a person starts, in Markdown, with one of the queue's keys as example."""
    line = {"review_key": review_key, "verdict": "keep", "reviewer": "your name"}
    example = json.dumps({**line, "reasons": [], "note": ""})
    return GUIDE.format(pairs=f"{pairs:,}", example=example, config=LABEL_STUDIO_CONFIG)

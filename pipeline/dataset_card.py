"""The SURD data set's face to the world: what Hugging Face ``datasets`` reads in its shards, and its card."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.tables import IMAGE

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class Card:
    """What the card tells: the pictures' side, and how many samples there are by source, licence and split."""

    side_px: int
    sources: Counter[tuple[str, str]]
    splits: Counter[str]
    funnel: Sequence[tuple[str, Mapping[str, Any]]]
    """Stage and its report.json, in the order of the workflow."""


def with_features(schema: pa.Schema) -> pa.Schema:
    """The schema with the metadata by which ``datasets`` decodes pictures (checked against datasets 5.2.0).

    Its reader takes a picture for one only where the column may be null, so that is what the file says.
    """
    features = {field.name: _feature(field.type) for field in schema}
    columns = [field.with_nullable(True) if field.type == IMAGE else field for field in schema]
    return pa.schema(columns).with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "List"}
    return {"dtype": str(kind), "_type": "Value"}


def render(card: Card) -> str:
    """The data set's README.md: YAML header, contents, origin, funnel, loading, removal."""
    total = card.splits.total()
    splits = ", ".join(f"{name} {count:,}" for name, count in sorted(card.splits.items()))
    return f"""{_header(card, total)}
# SURD: prompts and pictures for a semantic-understanding adapter

{total:,} triplets of a simple prompt (what a person would type; here BLIP's caption, which people may have reviewed),
a complex prompt (what the picture was made with) and the picture, {card.side_px} x {card.side_px} px.
Made by the staged workflow after *SUR-adapter* (arXiv 2305.05189). Splits: {splits}.

## Where the samples come from

| source | licence as the source states it | samples |
|---|---|---|
{_source_rows(card.sources)}

Each row names the page it comes from (`page_url`). Pictures and prompts remain their makers'; the licence column is the
source's statement, not ours. No author is named.

## How many were left at each stage

| stage | in | out | dropped, by reason |
|---|---|---|---|
{_funnel_rows(card.funnel)}

## Loading

```python
from datasets import load_dataset

surd = load_dataset("parquet", data_files="parts/*.parquet", split="train")
train = surd.filter(lambda row: row["split"] == "train")
```

`split="train"` is what `datasets` calls files that name no split; the column `split` is the one that counts.

## Removing a sample

Write its `sample_id`, the address of its page or picture, or the picture's SHA-256 as a line of `takedown.txt` and run
`dvc repro`: the sample goes, with everything made from it.
"""


def _header(card: Card, total: int) -> str:
    size = next((name for limit, name in SIZES if total < limit), "n>1M")
    licences = sorted({licence for _, licence in card.sources})
    return f"""---
pretty_name: SURD
license: other
license_name: {json.dumps(", ".join(licences))}
task_categories: [text-to-image]
language: [en]
size_categories: ["{size}"]
configs:
  - config_name: default
    data_files: parts/*.parquet
---
"""


def _source_rows(sources: Counter[tuple[str, str]]) -> str:
    return "\n".join(f"| {source} | {licence} | {count:,} |" for (source, licence), count in sorted(sources.items()))


def _funnel_rows(funnel: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return "\n".join(
        f"| {stage} | {report['in']:,} | {report['out']:,} | {_reasons(report['dropped'])} |"
        for stage, report in funnel
    )


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(dropped.items())) or "none"

"""The SURD data set's face to the world: what Hugging Face ``datasets`` reads in its shards, and its card."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.tables import IMAGE

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)
"""The Hub's size categories; a larger set than the last is not split finer here."""
CITATION = """```bibtex
@inproceedings{zhong2023sur,
  title     = {SUR-adapter: Enhancing Text-to-Image Pre-trained Diffusion Models with Large Language Models},
  author    = {Zhong, Shanshan and Huang, Zhongzhan and Wen, Wushao and Qin, Jinghui and Lin, Liang},
  booktitle = {Proceedings of the 31st ACM International Conference on Multimedia},
  year      = {2023},
  note      = {arXiv:2305.05189}
}
```"""


@dataclass(frozen=True, order=True)
class Origin:
    """Where samples come from and on what terms, as the source states them."""

    source: str
    licence: str
    licence_url: str
    access_basis: str


@dataclass(frozen=True)
class Card:
    """What the card tells: the pictures' side, and how many samples there are by origin and split."""

    side_px: int
    origins: Counter[Origin]
    splits: Counter[str]
    columns: Mapping[str, str]
    """Name and meaning of each column."""
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
    """The data set's README.md with the fields and sections of Hugging Face's dataset cards."""
    total = card.splits.total()
    splits = ", ".join(f"{name} {count:,}" for name, count in sorted(card.splits.items()))
    return f"""{_header(card, total)}
# SURD: prompts and pictures for a semantic-understanding adapter

{total:,} triplets of a simple prompt (what a person would type; here BLIP's caption, which people may have reviewed),
a complex prompt (what the picture was made with) and the picture, {card.side_px} x {card.side_px} px.
Made by the staged workflow after *SUR-adapter* (arXiv 2305.05189). Splits: {splits}.

## Uses

Meant for training and testing modules that lead a text-to-image model from plain sentences to what detailed prompts
give. Not meant for finding out who made a picture, for imitating a named artist, or for uses that a source's licence
excludes.

## Structure

| column | meaning |
|---|---|
{_rows(card.columns.items())}

Samples of one prompt or with near-duplicate pictures are always in the same split.

```python
from datasets import load_dataset

surd = load_dataset("parquet", data_files="parts/*.parquet", split="train")
train = surd.filter(lambda row: row["split"] == "train")
```

`split="train"` is what `datasets` calls files that name no split; the column `split` is the one that counts.

## Where the samples come from

| source | licence as the source states it | samples |
|---|---|---|
{_origin_rows(card.origins)}

Each row names the page it comes from (`page_url`). Pictures and prompts remain their makers'; the licence column is the
source's statement, not ours. `LICENSE.md` says where each licence stands and why a program may read the source.

## How it was made

| stage | in | out | dropped, by reason |
|---|---|---|---|
{_funnel_rows(card.funnel)}

Simple prompts were written by a machine (BLIP) and chosen by another (CLIP); both err. Complex prompts are as their
makers wrote them, without the syntax of weights.

## Personal and sensitive information

No author is named here. Prompts are free text of strangers and may name people; pictures may show likenesses. Pictures
above the rating that the settings allow were left out by the source's own rating, which is not always right.

## Biases and limits

What is drawn, liked and uploaded on the sources' sites is not the world; most prompts are English and most pictures
portraits of a few kinds. A model that learns from them takes that over.

## Citation

{CITATION}

## Removing a sample

`sur takedown <sample id, address or SHA-256 of the picture>` removes a sample, its copies and everything made from
them, and `dvc repro` then makes the data set without them. Whoever holds a copy of this data set is asked to do the
same.
"""


def render_licences(card: Card) -> str:
    """The data set's LICENSE.md."""
    rows = ((*_origin(each), f"{count:,}") for each, count in sorted(card.origins.items()))
    return f"""# Licences

This collection states no licence of its own. Pictures and prompts are under the terms of the source that published
them:

| source | licence as the source states it | where it stands | why a program may read it | samples |
|---|---|---|---|---|
{_rows(rows)}
"""


def _origin(each: Origin) -> tuple[str, str, str, str]:
    return each.source, each.licence, each.licence_url, each.access_basis


def _header(card: Card, total: int) -> str:
    size = next((name for limit, name in SIZES if total < limit), SIZES[-1][1])
    fields = {
        "pretty_name": "SURD",
        "license": "other",
        "license_name": "as-stated-by-each-source",
        "license_link": "LICENSE.md",
        "language": ["en"],
        "multilinguality": ["monolingual"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["found", "machine-generated"],
        "source_datasets": ["original"],
        "task_categories": ["text-to-image"],
        "size_categories": [size],
        "tags": ["sur-adapter", "arxiv:2305.05189", *sorted({each.source for each in card.origins})],
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    text = "\n".join(lines)
    return f"""---
{text}
configs:
  - config_name: default
    data_files: parts/*.parquet
---
"""


def _rows(rows: Iterable[Sequence[str]]) -> str:
    """Lines of a Markdown table."""
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)


def _origin_rows(origins: Counter[Origin]) -> str:
    by_licence: Counter[tuple[str, str]] = Counter()
    for each, count in origins.items():
        by_licence[each.source, each.licence] += count
    return _rows((source, licence, f"{count:,}") for (source, licence), count in sorted(by_licence.items()))


def _funnel_rows(funnel: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return _rows(
        (stage, f"{report['in']:,}", f"{report['out']:,}", _reasons(report["dropped"])) for stage, report in funnel
    )


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(dropped.items())) or "none"

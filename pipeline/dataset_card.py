"""The SURD data set's face to the world: what Hugging Face ``datasets`` reads in its shards, and its card."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import Environment, StrictUndefined, Template

from pipeline.tables import IMAGE

TEMPLATE = Path(__file__).with_suffix(".md.j2")
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)
"""The Hub's size categories; a larger set than the last is not split finer here."""


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
    return _template().render(
        fields=_fields(card, total),
        total=f"{total:,}",
        side_px=card.side_px,
        splits=", ".join(f"{name} {count:,}" for name, count in sorted(card.splits.items())),
        columns=_rows(card.columns.items()),
        origins=_origin_rows(card.origins),
        funnel=_funnel_rows(card.funnel),
    )


@cache
def _template() -> Template:
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["json"] = partial(json.dumps, ensure_ascii=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


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


def _fields(card: Card, total: int) -> dict[str, Any]:
    """What the card begins with, in the Hub's words."""
    size = next((name for limit, name in SIZES if total < limit), SIZES[-1][1])
    return {
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

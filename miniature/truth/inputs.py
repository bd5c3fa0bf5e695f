"""What the stages left in ``data/``, beside the truth of the sites that they scraped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from miniature import site_answers, site_posts, sites
from pipeline import tables
from pipeline.downloading import FAILURES
from pipeline.errors import InputError
from pipeline.samples import CAPTIONS, SAMPLES, SCORES
from pipeline.tables import DROPPED, KEY, column

Truth = Mapping[str, Mapping[str, Any]]
"""sample_id -> what ``sites.truth`` says of it: scene, fault and of."""
Fates = Mapping[str, str | None]
"""sample_id of each record that the scrapers met -> the reason that dropped it up to ``clean``, None where it stays."""
Rows = Sequence[Mapping[str, Any]]

ADDRESSES = tables.schema(column(KEY, pa.string(), ""), column("image_url", pa.string(), ""))
FIRST = "run dvc repro first"


@dataclass(frozen=True)
class Inputs:
    """All that the figures on data are made from."""

    truth: Truth
    fates: Fates
    captions: Rows
    """CAPTIONS."""
    scores: Rows
    """SCORES."""


def read(data: Path, sources: Sequence[str]) -> Inputs:
    """Read the stages' tables.

    Args:
        data: the folder ``data``.
        sources: the sites that were scraped (``sources.enabled``).

    Raises:
        InputError: a table is missing, or does not come from the sites as they are now.
    """
    scraped = [data / "scrape" / name for name in sources]
    failures, clean = data / "download" / "failures.parquet", data / "clean"
    captions, scores = data / "caption" / "captions.parquet", data / "clip_filter" / "scores.parquet"
    records = [folder / "records.parquet" for folder in scraped]
    drops = [*(folder / "dropped.parquet" for folder in scraped), clean / "dropped.parquet"]
    for path in (*records, *drops, failures, clean / "samples.parquet", captions, scores):
        if not path.is_file():
            raise InputError(f"{path} is missing: {FIRST}")
    truth = {row[KEY]: row for row in sites.truth()}
    met = _known([row for path in records for row in _rows(path, ADDRESSES)], data)
    lost = {row[KEY]: row["drop_reason"] for path in drops for row in _rows(path, DROPPED)}
    lost |= {row[KEY]: row["reason"] for row in _rows(failures, FAILURES)}
    fates = lost | dict.fromkeys(row[KEY] for row in _rows(clean / "samples.parquet", SAMPLES))
    captioned, scored = _rows(captions, CAPTIONS), _rows(scores, SCORES)
    stay = {name for name, reason in fates.items() if reason is None}
    used = {row[KEY] for row in (*captioned, *scored)}
    if met | set(lost) != set(fates) or not set(fates) <= set(truth) or not used <= stay:
        raise InputError(f"the tables of {data} do not belong together: {FIRST}")
    return Inputs(truth, fates, captioned, scored)


def _rows(path: Path, shape: pa.Schema) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tables.read(path, shape).to_pylist()
    return rows


def _known(records: Iterable[Mapping[str, Any]], data: Path) -> set[str]:
    """Ids of records, all from the sites' present edition: its number is part of a picture's address."""
    addresses = {post.sample_id: site_answers.image_url(post) for post in site_posts.posts()}
    found = {row[KEY]: row["image_url"] for row in records}
    if strange := sorted(name for name, url in found.items() if addresses.get(name) != url):
        raise InputError(
            f"{data} holds {len(strange):,} records that the miniature's sites do not have, first {strange[0]}: {FIRST}"
        )
    return set(found)

"""The tables that several stages share: each later table extends the earlier one, the key is always ``sample_id``."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import tables
from pipeline.errors import EmptyResultError, InputError
from pipeline.files import write_json
from pipeline.tables import IMAGE, KEY, column

ROWS_PER_SHARD = 1000

SAMPLES = tables.schema(
    column(KEY, pa.string(), "stable id: source, colon, the source's own id"),
    column("source", pa.string(), "lexica, civitai, stable_diffusion_online or an import"),
    column("licence", pa.string(), "the licence under which the source publishes"),
    column("page_url", pa.string(), "the page where a person finds the picture"),
    column("split", pa.string(), "train, val or test"),
    column("image_sha256", pa.string(), "of the downloaded bytes"),
    column("part", pa.string(), "file in data/download/parts that holds the picture"),
    column("complex_prompt", pa.string(), "p_c: the source's prompt, normalised"),
)

CAPTIONS = tables.extend(SAMPLES, column("simple_prompt", pa.string(), "p_s: BLIP's caption"))

SCORES = tables.extend(
    CAPTIONS,
    column("score_simple", pa.float32(), "CLIP logit (100 x cosine) of picture and simple prompt"),
    column("score_complex", pa.float32(), "CLIP logit (100 x cosine) of picture and complex prompt"),
    column("simple_truncated", pa.bool_(), "the simple prompt is longer than CLIP's context"),
    column("complex_truncated", pa.bool_(), "the complex prompt is longer than CLIP's context"),
    column("kept", pa.bool_(), "the rule keeps the pair"),
    column("drop_reason", pa.string(), "why not kept", nullable=True),
)

VERDICTS = tables.extend(
    CAPTIONS,
    column("review_key", pa.string(), "hash of the picture and both prompts: a verdict holds for these alone"),
    column("verdict", pa.string(), "keep, reject, unsure or unreviewed, after the policy joined the reviewers"),
    column("reviewers", pa.int32(), "people who judged this key"),
    column("kept", pa.bool_(), "the sample stays"),
    column("drop_reason", pa.string(), "why not kept", nullable=True),
)

SURD = tables.extend(
    CAPTIONS,
    column("crop_box", pa.list_(pa.int32(), 4), "left, upper, right, lower: what was cut out of the oriented picture"),
    column("image", IMAGE, "side_px x side_px RGB picture, encoded"),
)


def write_report(
    path: Path, counts_in: int, counts_out: int, dropped: Mapping[str, int] | None = None, **more: Any
) -> None:
    """Write a stage's ``report.json``: rows in, rows out, rows dropped by reason, and the stage's own figures."""
    write_json(path, {"in": counts_in, "out": counts_out, "dropped": dict(dropped or {}), **more})


def drop(table: pa.Table, path: Path) -> Counter[str]:
    """Write the rows with a ``drop_reason`` to ``dropped.parquet`` and count them by reason."""
    dropped = table.filter(pc.is_valid(table.column("drop_reason"))).select(tables.DROPPED.names)
    tables.write(dropped.cast(tables.DROPPED), path, tables.DROPPED)
    return Counter(dropped.column("drop_reason").to_pylist())


def require_rows(table: pa.Table, what: str) -> pa.Table:
    """The table, unless it is empty.

    Raises:
        EmptyResultError: with ``what``, which says what emptied it and which setting to look at.
    """
    if not table.num_rows:
        raise EmptyResultError(what)
    return table


def add_images(parts: Path, rows: pa.Table) -> pa.Table:
    """The rows with a column ``image``: each sample's encoded picture. Arguments and errors as :func:`read_images`."""
    found = read_images(parts, rows)
    return rows.append_column("image", pa.array([found[name] for name in rows.column(KEY).to_pylist()], pa.binary()))


def read_images(parts: Path, wanted: pa.Table) -> dict[str, bytes]:
    """The encoded pictures of the wanted samples, read from the shards that hold them.

    Args:
        parts: ``data/download/parts``.
        wanted: a table with ``sample_id`` and ``part``; take a slice of a stage's rows to stay small.
    """
    shape = tables.schema(column(KEY, pa.string(), ""), column("image", IMAGE, ""))
    found: dict[str, bytes] = {}
    for part in sorted(set(wanted.column("part").to_pylist())):
        ids = wanted.filter(pc.equal(wanted.column("part"), part)).column(KEY).to_pylist()
        rows = tables.read_rows(parts / part, shape, ids)
        pictures = (picture["bytes"] for picture in rows.column("image").to_pylist())
        found.update(zip(rows.column(KEY).to_pylist(), pictures, strict=True))
    if len(found) != wanted.num_rows:
        missing = sorted(set(wanted.column(KEY).to_pylist()) - set(found))
        raise InputError(f"{parts} lacks {len(missing)} pictures, first {missing[0]}: run dvc repro download")
    return found

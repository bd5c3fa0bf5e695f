"""From what a person asks for to all its traces: rows of every table, their exact copies, and their near copies."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.cleaning import CleanParams
from pipeline.errors import InputError
from pipeline.grouping import alike
from pipeline.images import ImageParams, UndecodableError, decode, encode, to_square
from pipeline.looks import Look
from pipeline.picture_facts import FACTS, measure
from pipeline.sources import renditions
from pipeline.tables import IMAGE, KEY
from pipeline.takedown.searching import PARQUET, ROWS, kind
from pipeline.takedown.traces import Traces
from pipeline.takedown_list import look_entry
from pipeline.work import ROW_KEY

ADDRESS, DIGEST = re.compile(r"(?:https?|import)://\S+"), re.compile(r"[0-9a-f]{64}")
BYTES_AT_ONCE = 16  # pictures in memory, where a chunk of an older form must be read for its digests
SAMPLE_ID = re.compile(r"\w+:(?!//)\S+")
NAMING = {KEY: "ids", "image_url": "addresses", "image_sha256": "pictures"}
"""Columns by which a row is known, and the traces that they give."""


def tables_among(paths: Iterable[Path]) -> list[Path]:
    """The Parquet files with samples in their rows."""
    found = [path for path in paths if kind(path) == PARQUET]
    return [path for path in found if KEY in pq.read_schema(path).names]


@dataclass(frozen=True)
class Sources:
    """Files that tell which picture belongs to which sample, what it looks like and what was made from it."""

    tables: Sequence[Path]
    """Every table with samples, of now and of earlier."""
    downloads: Sequence[Path] = ()
    """Chunks of the work store of ``download``: pictures by the address at which they were asked for."""
    facts: Sequence[Path] = ()
    """Chunks of the work store of ``clean``: what pictures look like."""
    captions: Sequence[Path] = ()
    """Chunks of the work store of ``caption``."""


def identify(asked: str, sources: Sources, config: CleanParams, squares: ImageParams) -> Traces:
    """All traces of what is asked for.

    Args:
        asked: a sample id, the address of a picture or a page, or the SHA-256 of a picture.
        sources: what is searched.
        config: what counts as a near copy.
        squares: how the data set's pictures are made.

    Raises:
        InputError: the question has no form that is known.
    """
    traces, tables = question(asked), sources.tables
    came = [(renditions.spellings(url)[0], sha) for path in sources.downloads for url, sha in _came(path)]
    pages = _follow(tables, came, traces, set(traces.addresses))
    seen = _looks(sources, traces)
    known = {digest: seen[digest] for digest in traces.pictures if digest in seen}
    copies = near_copies(known, seen, config)
    before = set(traces.ids)
    traces.pictures |= copies
    pages |= _follow(tables, came, traces, set())
    traces.copies = traces.ids - before
    traces.pages = pages - _pages_of_others(tables, traces) - traces.addresses
    traces.addresses |= traces.pages
    traces.looks = {look_entry(look) for look in known.values()}
    _add_what_was_made([*tables, *sources.captions], traces)
    for content in _pictures(sources, traces.pictures).values():
        traces.made.add(_sha256(_square(content, squares)))
    return traces


def _square(content: bytes, config: ImageParams) -> bytes:
    """What ``resize`` makes of a picture; nothing of one that it cannot decode."""
    try:
        return encode(to_square(decode(content), config.side_px, config.resize)[0], config)
    except UndecodableError:
        return content


def question(asked: str) -> Traces:
    """What is asked for, as the one trace that is known at first.

    Raises:
        InputError: it is neither an id nor an address nor a SHA-256.
    """
    if ADDRESS.fullmatch(asked):
        return Traces(addresses={asked, *renditions.spellings(asked)})
    if DIGEST.fullmatch(asked):
        return Traces(pictures={asked})
    if SAMPLE_ID.fullmatch(asked):
        return Traces(ids={asked})
    raise InputError(f"{asked!r} is no sample id (source:id), no address (https or import) and no SHA-256 of a picture")


def _follow(tables: Sequence[Path], came: Sequence[tuple[str, str]], traces: Traces, pages: set[str]) -> set[str]:
    """Add rows that share an id, an address or a picture with what is known, until there are no more; their pages.

    Addresses and digests of pictures that ``came`` tell of copies also where no table is left. Addresses are compared
    by the picture itself: records have one rendition's, the store of pictures another's.
    """
    found, size = set(pages), -1
    while size != len(traces.ids) + len(traces.addresses) + len(traces.pictures):
        size = len(traces.ids) + len(traces.addresses) + len(traces.pictures)
        for url, picture in came:
            if url in traces.addresses or picture in traces.pictures:
                traces.addresses.update(renditions.spellings(url))
                traces.pictures.add(picture)
        for path in tables:
            for row in _rows(path, traces, pages):
                for name, trace in NAMING.items():
                    if row.get(name):
                        getattr(traces, trace).add(row[name])
                if row.get("image_url"):
                    traces.addresses.update(renditions.spellings(row["image_url"]))
                found.update(filter(None, [row.get("page_url")]))
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _came(path: Path) -> Iterator[tuple[str, str]]:
    """Address and SHA-256 of the pictures in a chunk, whose bytes are read only where it keeps no digests."""
    with pq.ParquetFile(path) as source:
        named = "sha256" in source.schema_arrow.names
        for batch in source.iter_batches(
            ROWS if named else BYTES_AT_ONCE, columns=[ROW_KEY, "sha256" if named else "content"]
        ):
            keys, values = (column.to_pylist() for column in batch.columns)
            yield from zip(keys, values if named else map(_sha256, values), strict=True)


def _stored(path: Path, digests: set[str]) -> Iterator[tuple[str, bytes]]:
    """The wanted pictures of a chunk with their SHA-256; of one that has none the bytes are not read."""
    rows = [row for row, (_, sha) in enumerate(_came(path)) if sha in digests]
    if rows:
        for picture in pq.read_table(path, columns=["content"]).column("content").take(rows).to_pylist():
            yield _sha256(picture), picture


def _rows(path: Path, traces: Traces, pages: set[str]) -> list[dict[str, Any]]:
    """The rows of a table that the traces mean, or that lie on one of these pages."""
    names = [name for name in (*NAMING, "page_url") if name in pq.read_schema(path).names]
    table = pq.read_table(path, columns=names)
    wanted = {**{name: getattr(traces, trace) for name, trace in NAMING.items()}, "page_url": pages}
    mask = np.zeros(table.num_rows, dtype=np.bool_)
    for name in names:
        column = _whole(table.column(name)) if name == "image_url" else table.column(name)
        mask |= pc.is_in(column, value_set=_strings(wanted[name])).to_numpy(zero_copy_only=False)
    rows: list[dict[str, Any]] = table.filter(pa.array(mask)).to_pylist()
    return rows


def _whole(urls: pa.ChunkedArray) -> pa.Array:
    """Addresses of pictures without what they want of them."""
    return pa.array([url and renditions.spellings(url)[0] for url in urls.to_pylist()], pa.string())


def _strings(values: Iterable[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())


def _pages_of_others(tables: Sequence[Path], traces: Traces) -> set[str]:
    """Pages on which samples stay."""
    found: set[str] = set()
    for path in tables:
        if "page_url" in pq.read_schema(path).names:
            table = pq.read_table(path, columns=[KEY, "page_url"])
            stay = pc.invert(pc.is_in(table.column(KEY), value_set=_strings(traces.ids)))
            found.update(table.filter(stay).column("page_url").to_pylist())
    return found


def _looks(sources: Sources, traces: Traces) -> dict[str, Look]:
    """What pictures look like, by SHA-256: from the work store; those that go also from their bytes."""
    found = {digest: look for path in sources.facts for digest, look in _look_rows(pq.read_table(path))}
    for digest, content in _pictures(sources, traces.pictures - set(found)).items():
        described = measure(pa.table({ROW_KEY: [digest], "image": pa.array([content], pa.binary())}))
        found.update(_look_rows(described))
    return found


def _look_rows(table: pa.Table) -> Iterator[tuple[str, Look]]:
    for row in table.select([ROW_KEY, *FACTS.names]).to_pylist():
        if row["fault"] is None:
            yield row[ROW_KEY], Look(int(row["phash"], 16), row["thumbnail"])


def _pictures(sources: Sources, digests: set[str]) -> dict[str, bytes]:
    """Downloaded pictures by SHA-256, as far as there are any."""
    found: dict[str, bytes] = {}
    for path in sources.tables if digests else ():
        schema = pq.read_schema(path)
        if "n_bytes" in schema.names and IMAGE in schema.types:
            within = [("image_sha256", "in", sorted(digests))]
            for row in pq.read_table(path, columns=["image_sha256", "image"], filters=within).to_pylist():
                found[row["image_sha256"]] = row["image"]["bytes"]
    for path in sources.downloads:
        if missing := digests - set(found):
            found.update(_stored(path, missing))
    return found


def near_copies(known: dict[str, Look], seen: dict[str, Look], config: CleanParams) -> set[str]:
    """Pictures that look like one of the known ones, by SHA-256; by the rule of ``clean``."""
    names = list(seen)
    hashes = np.array([seen[name].phash for name in names], dtype=np.uint64)
    found: set[str] = set()
    for look in set(known.values()):
        for row in np.flatnonzero(np.bitwise_count(hashes ^ np.uint64(look.phash)) <= config.phash_distance):
            one, other = (np.frombuffer(each.thumbnail, np.uint8)[None] for each in (look, seen[names[row]]))
            if alike(one, other, config.colour_distance)[0]:
                found.add(names[row])
    return found - set(known)


def _add_what_was_made(tables: Sequence[Path], traces: Traces) -> None:
    """Digests of the squares, and the captions that no other sample has."""
    others: set[str] = set()
    for path in tables:
        schema = pq.read_schema(path)
        if IMAGE in schema.types and "n_bytes" not in schema.names:
            within = [(KEY, "in", sorted(traces.ids) or [""])]
            for picture in pq.read_table(path, columns=["image"], filters=within).column("image").to_pylist():
                traces.made.add(_sha256(picture["bytes"]))
        if "simple_prompt" in schema.names:
            key, names = (KEY, traces.ids) if KEY in schema.names else (ROW_KEY, traces.pictures)
            table = pq.read_table(path, columns=[key, "simple_prompt"])
            mine = pc.is_in(table.column(key), value_set=_strings(names))
            traces.captions.update(table.filter(mine).column("simple_prompt").to_pylist())
            others.update(table.filter(pc.invert(mine)).column("simple_prompt").to_pylist())
    traces.captions -= others

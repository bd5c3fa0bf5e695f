"""Whether a file holds a trace: tables are read cell by cell, archives unpacked, everything else searched as bytes."""

import gzip
import hashlib
import html
import json
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.takedown.traces import Traces

PARQUET, ARROW, GZIP = b"PAR1", b"ARROW1", b"\x1f\x8b"
ROWS = 256  # read at a time
LINKED = re.compile(r"""\b(?:href|src)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
UNIQUE = 16  # signs from which on an id is taken for one that no other source gives


def files(folder: Path) -> list[Path]:
    """All files below a folder, in order; none where it is missing."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def kind(path: Path) -> bytes:
    """PARQUET, ARROW, GZIP or nothing, by the first bytes."""
    with path.open("rb") as stream:
        start = stream.read(8)
    return next((mark for mark in (PARQUET, ARROW, GZIP) if start.startswith(mark)), b"")


def holds(path: Path, traces: Traces) -> bool:
    """Whether a file, by its name or its content, holds one of the samples."""
    if traces.means_name(path):
        return True
    match kind(path):
        case mark if mark == PARQUET:
            return _parquet_holds(path, traces)
        case mark if mark == ARROW:
            return _arrow_holds(path, traces)
        case mark if mark == GZIP:
            return _unpacked_holds(path, traces)
    return _bytes_hold(path, traces)


def row_holds(batch: pa.RecordBatch | pa.Table, traces: Traces) -> list[bool]:
    """For each row whether one of its cells holds a sample."""
    found = [False] * batch.num_rows
    pattern = traces.text_pattern()
    for name in batch.schema.names:
        column = batch.column(name)
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        start = 0
        for chunk in chunks:
            for row in _rows_that_hold(chunk, pattern, traces):
                found[start + row] = True
            start += len(chunk)
    return found


def _rows_that_hold(array: pa.Array, pattern: str, traces: Traces) -> Iterator[int]:
    match array.type:
        case kind_ if pa.types.is_string(kind_) or pa.types.is_large_string(kind_):
            matches = pc.fill_null(pc.match_substring_regex(array, pattern), False)
            yield from (row for row, found in enumerate(matches.to_pylist()) if found)
        case kind_ if pa.types.is_dictionary(kind_):
            yield from _rows_that_hold(array.dictionary_decode(), pattern, traces)
        case kind_ if pa.types.is_binary(kind_) or pa.types.is_large_binary(kind_):
            digests = traces.digests
            for row, content in enumerate(array):
                if content.is_valid and hashlib.sha256(content.as_buffer()).hexdigest() in digests:
                    yield row
        case kind_ if pa.types.is_struct(kind_):
            for index in range(kind_.num_fields):
                yield from _rows_that_hold(array.field(index), pattern, traces)
        case kind_ if pa.types.is_list(kind_) and not pa.types.is_primitive(kind_.value_type):
            parents = pc.list_parent_indices(array).to_pylist()
            yield from (parents[row] for row in _rows_that_hold(array.flatten(), pattern, traces))


def readable(schema: pa.Schema) -> list[str]:
    """The columns that can hold text or pictures; long vectors of numbers are left out."""

    def texts(kind_: Any) -> bool:
        if pa.types.is_struct(kind_):
            return any(texts(kind_.field(index).type) for index in range(kind_.num_fields))
        if pa.types.is_list(kind_):
            return texts(kind_.value_type)
        return not (pa.types.is_primitive(kind_) or pa.types.is_fixed_size_list(kind_))

    return [field.name for field in schema if texts(field.type)]


def _parquet_holds(path: Path, traces: Traces) -> bool:
    with pq.ParquetFile(path) as source:
        batches = source.iter_batches(ROWS, columns=readable(source.schema_arrow))
        return any(any(row_holds(batch, traces)) for batch in batches)


def _arrow_holds(path: Path, traces: Traces) -> bool:
    with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as source:
        names = readable(source.schema)
        batches = (source.get_batch(number).select(names) for number in range(source.num_record_batches))
        return any(any(row_holds(batch, traces)) for batch in batches)


def _unpacked_holds(path: Path, traces: Traces) -> bool:
    text = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
    if text_holds(text, traces):
        return True
    answer = archived(text)
    return answer is not None and answer_holds(answer, source_of(path), traces)


def text_holds(text: str, traces: Traces) -> bool:
    """Whether a text holds an id, an address or a digest."""
    return re.search(traces.text_pattern(), text) is not None


def _bytes_hold(path: Path, traces: Traces) -> bool:
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if hashlib.sha256(content).hexdigest() in traces.digests:
            return True
        return traces.bytes_pattern().search(content) is not None


def archived(text: str) -> dict[str, Any] | None:
    """A raw answer of a walk as sources.archive keeps it: ``url``, ``body`` and more."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("body"), str) else None


def source_of(path: Path) -> str:
    """The source whose walk an archived answer belongs to: <work store>/scrape/<source>/<settings>/<walk>/<file>."""
    return path.parents[2].name


def answer_holds(answer: dict[str, Any], source: str, traces: Traces) -> bool:
    """Whether an answer still has an item with one of the samples' own ids, or a page's link to one of them."""
    try:
        body = json.loads(answer["body"])
    except ValueError:
        return links_hold(answer["body"], answer, traces)
    return bool(without_items(body, source, traces) != body)


def links_hold(page: str, answer: dict[str, Any], traces: Traces) -> bool:
    """Whether a page, or a part of it, links to one of the addresses; links may be relative to the answer's address."""
    links = (html.unescape("".join(found.groups(""))) for found in LINKED.finditer(page))
    return any(_linked(str(answer.get("url", "")), link) in traces.addresses for link in links)


def _linked(base: str, link: str) -> str:
    try:
        return urldefrag(urljoin(base, link)).url
    except ValueError:  # what strangers write there need be no address
        return ""


def without_items(value: Any, source: str, traces: Traces) -> Any:
    """A JSON value without those items of its lists that are one of the samples, by id or address."""
    match value:
        case dict():
            left = {key: without_items(each, source, traces) for key, each in value.items()}
            return _without_orphans(left, value)
        case list():
            return [without_items(each, source, traces) for each in value if not _is_item(each, source, traces)]
    return value


def _without_orphans(left: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Lexica's infinite answers tell a picture's prompt beside the pictures: it goes with the last picture of it."""
    if not isinstance(left.get("images"), list) or not isinstance(left.get("prompts"), list):
        return left
    gone = _prompts_of(before["images"]) - _prompts_of(left["images"])
    kept = [each for each in left["prompts"] if not (isinstance(each, dict) and str(each.get("id")) in gone)]
    return {**left, "prompts": kept}


def _prompts_of(images: list[Any]) -> set[str]:
    return {str(image["promptid"]) for image in images if isinstance(image, dict) and "promptid" in image}


def _is_item(value: Any, source: str, traces: Traces) -> bool:
    if not isinstance(value, dict):
        return False
    own, texts = value.get("id"), {each for each in value.values() if isinstance(each, str)}
    if f"{source}:{own}" in traces.ids or not texts.isdisjoint(traces.addresses):
        return True
    # A page's own item (Lexica keeps prompts beside pictures): known where its id is too long to be another's.
    return isinstance(own, str) and len(own) >= UNIQUE and any(url.endswith(f"/{own}") for url in traces.addresses)

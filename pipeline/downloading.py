"""Getting the pictures of records: in parallel, each kept in the work store as soon as it is there."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pyarrow as pa
from pydantic import Field

from pipeline import cli, tables
from pipeline.http import FetchError, Response, host_of
from pipeline.params import Section, Share
from pipeline.sources.record import RECORDS
from pipeline.tables import IMAGE, KEY, column
from pipeline.work import ROW_KEY, ResultStore

DOWNLOADS = tables.extend(
    RECORDS,
    column("image_sha256", pa.string(), "of the picture's bytes"),
    column("n_bytes", pa.int64(), "length of the picture's bytes"),
    column("format", pa.string(), "told by the first bytes, whatever the address or the server says"),
    column("image", IMAGE, "the bytes as the site sent them"),
)
DOWNLOADS_WITHOUT_IMAGE = tables.schema(*(field for field in DOWNLOADS if field.name != "image"))
FAILURES = tables.schema(
    column(KEY, pa.string(), "the record whose picture did not come"),
    column("url", pa.string(), "its address"),
    column("host", pa.string(), "its host"),
    column("status", pa.int32(), "HTTP status, where there was one", nullable=True),
    column("reason", pa.string(), "one word; counted in report.json"),
    column("attempts", pa.int32(), "how often it was asked for"),
)
STORED = tables.schema(column("content", pa.binary(), "the picture's bytes"))
BATCH = 64  # pictures that a kill can cost

_SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8", "bmp": b"BM"}
_RIFF_KINDS = {b"WEBP": "webp"}
_FTYP_KINDS = {b"avif": "avif", b"heic": "heic"}


class DownloadParams(Section):
    """Section ``download`` of params.yaml."""

    timeout_s: float = Field(gt=0.0, le=3600.0)
    """Seconds for one attempt at one picture, the body included."""

    attempts: int = Field(ge=1, le=20)
    """Attempts at one picture; between them a random wait that grows to 60 s."""

    max_mb: float = Field(gt=0.0, le=1000.0)
    """Largest picture file in megabytes (10^6 bytes)."""

    requests_per_s: float = Field(gt=0.0, le=10_000.0)
    """Requests a second to one picture host, on average. Never changes results."""

    min_success_share: Share
    """Below this share of pictures the stage fails instead of going on with a torso."""


@dataclass(frozen=True)
class Failure:
    """A picture that did not come."""

    url: str
    reason: str
    status: int | None
    attempts: int


def picture_format(content: bytes) -> str | None:
    """The picture format that the first bytes tell; None for anything else, such as an HTML page."""
    for name, signature in _SIGNATURES.items():
        if content.startswith(signature):
            return name
    if content.startswith(b"RIFF"):
        return _RIFF_KINDS.get(content[8:12])
    return _FTYP_KINDS.get(content[8:12]) if content[4:8] == b"ftyp" else None


def open_store(config: DownloadParams) -> ResultStore:
    """The work store of pictures, keyed by address; only the size limit changes what an address gives."""
    return ResultStore("download", {"max_mb": config.max_mb}, STORED)


def fetch_missing(
    urls: Sequence[str], store: ResultStore, get: Callable[[str], Response], *, workers: int
) -> dict[str, Failure]:
    """Download what the store lacks and give the failures by address.

    Args:
        urls: the addresses that are wanted.
        store: keeps each finished picture; a second run asks only for what is missing.
        get: fetches one address; raises FetchError.
        workers: threads.
    """
    failures: dict[str, Failure] = {}
    with store.locked(), ThreadPoolExecutor(workers) as pool:
        waiting = store.missing(urls)
        with cli.progress([], "download", total=len(waiting), unit="picture") as bar:
            for start in range(0, len(waiting), BATCH):
                done = list(pool.map(lambda url: _fetch(url, get), waiting[start : start + BATCH]))
                failures.update({result.url: result for result in done if isinstance(result, Failure)})
                _keep(store, [result for result in done if not isinstance(result, Failure)])
                bar.update(len(done))
    return failures


def _fetch(url: str, get: Callable[[str], Response]) -> tuple[str, bytes] | Failure:
    try:
        answer = get(url)
    except FetchError as error:
        return Failure(url, error.reason, error.status, error.attempts)
    if picture_format(answer.content) is None:
        return Failure(url, "no_image", answer.status, answer.attempts)
    return url, answer.content


def _keep(store: ResultStore, pictures: Iterable[tuple[str, bytes]]) -> None:
    rows = [{ROW_KEY: url, "content": content} for url, content in pictures]
    if rows:
        store.add(tables.from_rows(rows, store.schema))


def downloads(records: pa.Table, store: ResultStore, *, rows: int) -> Iterator[pa.Table]:
    """The records with their pictures, ``rows`` at a time, in their order.

    Args:
        records: rows of RECORDS whose pictures are all in the store.
        store: of pictures.
        rows: at a time, so that not all pictures are in memory at once.
    """
    for start in range(0, records.num_rows, rows):
        part = records.slice(start, rows)
        contents = store.take(part.column("image_url").to_pylist()).column("content").to_pylist()
        found = zip(part.to_pylist(), contents, strict=True)
        yield tables.from_rows((_with_picture(record, content) for record, content in found), DOWNLOADS)


def _with_picture(record: dict[str, Any], content: bytes) -> dict[str, Any]:
    kind = picture_format(content)
    return {
        **record,
        "image_sha256": sha256(content).hexdigest(),
        "n_bytes": len(content),
        "format": kind,
        "image": {"bytes": content, "path": f"{record[KEY].replace(':', '_')}.{kind}"},
    }


def failure_rows(records: pa.Table, failures: dict[str, Failure]) -> pa.Table:
    """One row of FAILURES for each record whose picture did not come."""
    rows = [
        {
            KEY: record[KEY],
            "url": record["image_url"],
            "host": host_of(record["image_url"]),
            "status": failures[record["image_url"]].status,
            "reason": failures[record["image_url"]].reason,
            "attempts": failures[record["image_url"]].attempts,
        }
        for record in records.to_pylist()
        if record["image_url"] in failures
    ]
    return tables.from_rows(rows, FAILURES)

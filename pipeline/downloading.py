"""Records with their pictures: where each is asked for, what is a picture, and the tables of what came and what not."""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline import tables
from pipeline.files import atomic_folder
from pipeline.http import host_of
from pipeline.params import Section, Share
from pipeline.picture_store import Failure, PictureStore
from pipeline.sources import renditions
from pipeline.sources.record import RECORDS
from pipeline.tables import IMAGE, KEY, column

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
READ_ROWS = 25  # that are read at once: each picture may have download.max_mb
_SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8"}
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})  # bytes of the second header: two letters prove nothing
_RIFF_KINDS = {b"WEBP": "webp"}
_FTYP_KINDS = {b"avif": "avif", b"heic": "heic"}


class DownloadParams(Section):
    """Section ``download`` of params.yaml."""

    timeout_s: float = Field(gt=0.0, le=3600.0)
    """Seconds for one attempt at one picture in all: connection, headers and body."""

    attempts: int = Field(ge=1, le=20)
    """Attempts at one picture; between them a random wait that grows to 60 s."""

    max_mb: float = Field(gt=0.0, le=1000.0)
    """Largest picture file in megabytes (10^6 bytes)."""

    requests_per_s: float = Field(gt=0.0, le=10_000.0)
    """Requests a second to one picture host, on average. Never changes results."""

    min_success_share: Share
    """Below this share of pictures the stage fails instead of going on with a torso."""


def picture_format(content: bytes) -> str | None:
    """The picture format that the first bytes tell; None for anything else, such as an HTML page."""
    for name, signature in _SIGNATURES.items():
        if content.startswith(signature):
            return name
    if content.startswith(b"BM"):
        return "bmp" if int.from_bytes(content[14:18], "little") in _BMP_HEADERS else None
    if content.startswith(b"RIFF"):
        return _RIFF_KINDS.get(content[8:12])
    return _FTYP_KINDS.get(content[8:12]) if content[4:8] == b"ftyp" else None


def addresses(records: pa.Table, *, side_px: int) -> dict[str, str]:
    """Where the picture of each record is asked for, by ``sample_id``.

    Args:
        records: rows of RECORDS.
        side_px: ``image.side_px``: of several renditions the smallest that is at least that is taken.
    """
    names = (KEY, "image_url", "width", "height")
    rows = zip(*(records.column(name).to_pylist() for name in names), strict=True)
    return {key: renditions.address(url, width, height, side_px=side_px) for key, url, width, height in rows}


def downloads(
    records: pa.Table, urls: Mapping[str, str], store: PictureStore, *, rows: int, most_bytes: int
) -> Iterator[pa.Table]:
    """The records with their pictures in their order, as tables that are full at so many rows or bytes.

    Args:
        records: rows of RECORDS whose pictures are all in the store.
        urls: of their pictures, by ``sample_id``.
        store: of pictures.
        rows: of a table at most.
        most_bytes: of a table's pictures; one that reaches it ends, so that originals of some megabytes do not fill
            the memory. The few rows that are read at once may go beyond.
    """
    held, at_once = [DOWNLOADS.empty_table()], min(READ_ROWS, rows)
    for start in range(0, records.num_rows, at_once):
        held.append(_read(records.slice(start, at_once), urls, store))
        joined = pa.concat_tables(held)
        if joined.num_rows >= rows or pc.sum(joined.column("n_bytes")).as_py() >= most_bytes:
            yield joined.slice(0, rows)
            held = [joined.slice(rows)]
    if held[0].num_rows or len(held) > 1:
        yield pa.concat_tables(held)


def _read(records: pa.Table, urls: Mapping[str, str], store: PictureStore) -> pa.Table:
    contents = store.contents([urls[key] for key in records.column(KEY).to_pylist()])
    found = zip(records.to_pylist(), contents, strict=True)
    return tables.from_rows((_with_picture(record, content) for record, content in found), DOWNLOADS)


def write_parts(parts: Iterable[pa.Table], folder: Path) -> None:
    """Write each table as a shard of a folder that appears whole."""
    with atomic_folder(folder) as temporary:
        for number, part in enumerate(parts):
            tables.write(part, temporary / f"part-{number:05d}.parquet", DOWNLOADS)


def _with_picture(record: dict[str, Any], content: bytes) -> dict[str, Any]:
    kind = picture_format(content)
    return {
        **record,
        "image_sha256": sha256(content).hexdigest(),
        "n_bytes": len(content),
        "format": kind,
        "image": {"bytes": content, "path": f"{record[KEY].replace(':', '_')}.{kind}"},
    }


def failure_rows(urls: Mapping[str, str], failures: Mapping[str, Failure]) -> pa.Table:
    """One row of FAILURES for each record whose picture did not come.

    Args:
        urls: of the records' pictures, by ``sample_id``.
        failures: by address.
    """
    rows = [
        {
            KEY: key,
            "url": url,
            "host": host_of(url),
            "status": failures[url].status,
            "reason": failures[url].reason,
            "attempts": failures[url].attempts,
        }
        for key, url in urls.items()
        if url in failures
    ]
    return tables.from_rows(rows, FAILURES)

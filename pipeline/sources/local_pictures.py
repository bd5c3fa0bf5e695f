"""Pictures of imports: their addresses, and reading them without ever leaving the import's folder.

An address is ``import://<import>/<path>?sha256=<digest>#<member>``: the path is relative to the import's folder, the
member names a file in a zip archive or the row and column of a Parquet file. The digest makes the address name one
content, so that a picture that was changed since it was read is told and never taken for the old one.
"""

import hashlib
import threading
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.http import FetchError, Response
from pipeline.sources.record import Unusable

SCHEME = "import"
MOST_BYTES = 1_000_000_000  # the largest download.max_mb; a picture beyond it could never come
BROKEN_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)

SENTENCES = {
    "picture_missing": "there is no such file",
    "picture_outside": "it leads out of the import's folder",
    "picture_is_link": "it leads through a symbolic link, which is not followed",
    "picture_unreadable": "it cannot be read",
    "picture_changed": "it changed since scrape read it: write another sources.<import>.revision",
    "too_large": "it has more bytes than are allowed",
    "broken_archive": "its archive is damaged",
    "no_import": "no enabled import has this name",
}
Get = Callable[[str], Response]


class LocalPictureError(FetchError):
    """A picture of an import that could not be had; ``reason`` is one word, counted in reports."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason, attempts=1)
        self.args = (f"{url}: {SENTENCES.get(reason, reason)}",)


def address(name: str, path: str, digest: str, member: str = "") -> str:
    """The address of a picture.

    Args:
        name: of the import.
        path: of the file, relative to the import's folder, with slashes.
        digest: SHA-256 of the picture's bytes, 64 hex digits.
        member: in a zip archive its file, in a Parquet file ``<row>/<column>``.
    """
    inside = f"#{quote(member)}" if member else ""
    return f"{SCHEME}://{name}/{quote(path)}?sha256={digest}{inside}"


def locate(root: Path, relative: str) -> Path:
    """A file under a folder.

    Args:
        root: the folder; it may be a link itself, nothing below it may.
        relative: with slashes, as strangers wrote it.

    Raises:
        Unusable: ``picture_outside`` (absolute, or with ``..``), ``picture_is_link``, ``picture_missing`` (also for
            anything that is no regular file) or ``picture_unreadable``.
    """
    steps = [step for step in relative.split("/") if step != "."]
    place = root.joinpath(*steps)
    if not steps or any(step in ("", "..") for step in steps) or not place.is_relative_to(root):
        raise Unusable("picture_outside")
    try:
        is_link = any(root.joinpath(*steps[:depth]).is_symlink() for depth in range(1, len(steps) + 1))
        is_there = place.is_file()
    except PermissionError as error:
        raise Unusable("picture_unreadable") from error
    except (OSError, ValueError) as error:  # such as a name that is too long or not UTF-8
        raise Unusable("picture_missing") from error
    if is_link or not is_there:
        raise Unusable("picture_is_link" if is_link else "picture_missing")
    return place


def file_content(path: Path, most: int = MOST_BYTES) -> bytes:
    """A file's bytes.

    Raises:
        Unusable: ``too_large`` (more than ``most`` bytes) or ``picture_unreadable``.
    """
    try:
        with path.open("rb") as stream:
            return _capped(stream, most)
    except OSError as error:
        raise Unusable("picture_unreadable") from error


def member_content(archive: zipfile.ZipFile, member: str, most: int = MOST_BYTES) -> bytes:
    """A file's bytes in a zip archive, read in memory: nothing is ever unpacked to a path that an archive names.

    Raises:
        Unusable: ``picture_missing``, ``too_large`` (counted as it is unpacked) or ``broken_archive``.
    """
    try:
        with archive.open(member) as stream:
            return _capped(stream, most)
    except KeyError as error:
        raise Unusable("picture_missing") from error
    except (*BROKEN_ARCHIVE, OSError) as error:
        raise Unusable("broken_archive") from error


def _capped(stream: IO[bytes], most: int) -> bytes:
    content = stream.read(most + 1)
    if len(content) > most:
        raise Unusable("too_large")
    return content


def bytes_in_cell(cell: object) -> bytes:
    """A picture's bytes in a table's cell: binary, or the Hugging Face struct ``{bytes, path}``.

    Raises:
        Unusable: it holds none (``no_picture``).
    """
    content = cell.get("bytes") if isinstance(cell, Mapping) else cell
    if not isinstance(content, bytes) or not content:
        raise Unusable("no_picture")
    return content


class LocalPictures:
    """Reads pictures of imports; safe to share between threads.

    Args:
        roots: import to its folder.
        max_bytes: of one picture.
    """

    def __init__(self, roots: Mapping[str, Path], *, max_bytes: int) -> None:
        self._roots, self._most = dict(roots), max_bytes
        self._rows = _Rows()

    def get(self, url: str) -> Response:
        """The picture at an address, in the form of a web site's answer.

        Raises:
            FetchError: it could not be had, must not be read, or is not the one that was imported.
        """
        try:
            return Response(url, 200, {}, self._content(url), 1)
        except Unusable as fault:
            raise LocalPictureError(url, fault.reason) from fault

    def _content(self, url: str) -> bytes:
        parts = urlsplit(url)
        if parts.netloc not in self._roots:
            raise Unusable("no_import")
        path = locate(self._roots[parts.netloc], unquote(parts.path.removeprefix("/")))
        content = self._read(path, unquote(parts.fragment))
        if parse_qs(parts.query).get("sha256") != [hashlib.sha256(content).hexdigest()]:
            raise Unusable("picture_changed")
        return content

    def _read(self, path: Path, member: str) -> bytes:
        if not member:
            return file_content(path, self._most)
        if path.suffix == ".parquet":
            content = self._rows.content(path, member)
            if len(content) > self._most:
                raise Unusable("too_large")
            return content
        try:
            with zipfile.ZipFile(path) as archive:
                return member_content(archive, member, self._most)
        except (*BROKEN_ARCHIVE, OSError) as error:
            raise Unusable("broken_archive") from error


class _Rows:
    """Cells of Parquet files. The last row group is kept, since neighbours are asked for one after another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[tuple[Path, str, int], pa.ChunkedArray] | None = None

    def content(self, path: Path, member: str) -> bytes:
        row, _, column = member.partition("/")
        try:
            with self._lock, pq.ParquetFile(path) as source:
                group, place = _place(source, int(row))
                return bytes_in_cell(self._group(source, (path, column, group))[place].as_py())
        except (pa.ArrowException, OSError, KeyError, ValueError, IndexError) as error:
            if isinstance(error, Unusable):
                raise
            raise Unusable("picture_changed") from error

    def _group(self, source: pq.ParquetFile, key: tuple[Path, str, int]) -> pa.ChunkedArray:
        if self._kept is None or self._kept[0] != key:
            self._kept = key, source.read_row_group(key[2], columns=[key[1]]).column(key[1])
        return self._kept[1]


def _place(source: pq.ParquetFile, row: int) -> tuple[int, int]:
    """The row group that holds a row, and the row's place in it."""
    for group in range(source.num_row_groups if row >= 0 else 0):
        count = source.metadata.row_group(group).num_rows
        if row < count:
            return group, row
        row -= count
    raise IndexError(row)


def by_scheme(local: Get, remote: Get) -> Get:
    """One function that fetches any picture: those of imports from the disk, all others from their sites."""
    return lambda url: local(url) if url.startswith(f"{SCHEME}://") else remote(url)

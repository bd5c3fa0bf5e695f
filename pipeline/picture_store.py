"""What became of every picture address: the pictures that came, why others did not, and one ledger of both.

Pictures are rows of a work store, written together with how they came. Failures are lines of a log beside it, the last
line of an address counts; a line that a kill has cut is none, so that its address is asked again.
"""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import tables
from pipeline.http import host_of
from pipeline.http_answers import is_final
from pipeline.tables import column
from pipeline.work import ROW_KEY, ResultStore

STORED = tables.schema(
    column("status", pa.int32(), "HTTP status that it came with"),
    column("attempts", pa.int32(), "how often it was asked for"),
    column("sha256", pa.string(), "of the picture's bytes"),
    column("content", pa.binary(), "the picture's bytes"),
)
LEDGER = tables.schema(
    column("url", pa.string(), "an address that was asked for a picture"),
    column("host", pa.string(), "its host"),
    column("status", pa.string(), "came, failed (sur retry-failed asks again) or final (asking again would not help)"),
    column("code", pa.int32(), "HTTP status, where there was one", nullable=True),
    column("reason", pa.string(), "why it did not come, one word", nullable=True),
    column("attempts", pa.int32(), "how often it was asked for, the last time that it was its turn"),
    column("sha256", pa.string(), "of the picture's bytes", nullable=True),
)


@dataclass(frozen=True)
class Picture:
    """A picture that came."""

    url: str
    content: bytes
    status: int
    attempts: int

    def row(self) -> dict[str, Any]:
        """It as a row of the store."""
        return {
            ROW_KEY: self.url,
            "status": self.status,
            "attempts": self.attempts,
            "sha256": sha256(self.content).hexdigest(),
            "content": self.content,
        }


@dataclass(frozen=True)
class Failure:
    """A picture that did not come."""

    url: str
    reason: str
    status: int | None
    attempts: int

    @property
    def final(self) -> bool:
        """Whether asking again would not help."""
        return is_final(self.reason, self.status)


class PictureStore:
    """The work store of pictures, keyed by address; only the size limit changes what an address gives.

    Args:
        max_mb: ``download.max_mb``.
    """

    def __init__(self, max_mb: float) -> None:
        self._rows = ResultStore("download", {"max_mb": max_mb}, STORED)
        self._log = self._rows.folder / "failures.jsonl"

    def locked(self) -> AbstractContextManager[None]:
        """One writer at a time."""
        return self._rows.locked()

    def to_ask(self, urls: Sequence[str], *, final: bool = False) -> list[str]:
        """Those addresses, each once, that have not come and may be asked (again).

        Args:
            urls: the addresses that are wanted.
            final: also those whose failure is final.
        """
        failed = self._failures()
        return [url for url in self._rows.missing(urls) if final or url not in failed or not failed[url].final]

    def failures(self, urls: Sequence[str]) -> dict[str, Failure]:
        """Why addresses were asked and did not come; those that were never asked are not among them."""
        failed = self._failures()
        return {url: failed[url] for url in self._rows.missing(urls) if url in failed}

    def keep(self, pictures: Iterable[Picture]) -> None:
        """Keep pictures, all or none of them."""
        rows = [picture.row() for picture in pictures]
        if rows:
            self._rows.add(tables.from_rows(rows, self._rows.schema))

    def note(self, failures: Iterable[Failure]) -> None:
        """Keep failures; a picture that came before stays."""
        lines = "".join(json.dumps(asdict(failure)) + "\n" for failure in failures)
        if lines:
            whole = _ends_whole(self._log)
            with self._log.open("a", encoding="utf-8") as stream:
                stream.write(lines if whole else "\n" + lines)
                stream.flush()
                os.fsync(stream.fileno())

    def contents(self, urls: Sequence[str]) -> list[bytes]:
        """The bytes of pictures that came, in this order.

        Raises:
            KeyError: one did not.
        """
        found: list[bytes] = self._rows.take(urls).column("content").to_pylist()
        return found

    def ledger(self, urls: Sequence[str]) -> pa.Table:
        """One row of LEDGER for each address, by address."""
        urls = sorted(set(urls))
        lost = set(self._rows.missing(urls))
        known = tables.select(self._rows.schema, set(self._rows.schema.names) - {"content"})
        came = self._rows.take([url for url in urls if url not in lost], known).to_pylist()
        rows = [_came(row) for row in came] + [_failed(failure) for failure in self.failures(urls).values()]
        return tables.from_rows(sorted(rows, key=lambda row: str(row["url"])), LEDGER)

    def _failures(self) -> dict[str, Failure]:
        if not self._log.is_file():
            return {}
        found = (_line(line) for line in self._log.read_text(encoding="utf-8").splitlines())
        return {failure.url: failure for failure in found if failure is not None}


def _line(line: str) -> Failure | None:
    try:
        return Failure(**json.loads(line))
    except ValueError:  # cut by a kill
        return None


def _ends_whole(path: Path) -> bool:
    if not path.is_file() or not path.stat().st_size:
        return True
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() == b"\n"


def _came(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "url": row[ROW_KEY],
        "host": host_of(row[ROW_KEY]),
        "status": "came",
        "code": row["status"],
        "attempts": row["attempts"],
        "sha256": row["sha256"],
    }


def _failed(failure: Failure) -> dict[str, Any]:
    return {
        "url": failure.url,
        "host": host_of(failure.url),
        "status": "final" if failure.final else "failed",
        "code": failure.status,
        "reason": failure.reason,
        "attempts": failure.attempts,
    }

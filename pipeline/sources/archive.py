"""Raw answers of a walk, kept as they come: a killed walk goes on where it was, and a parser can be tried again.

An unfinished walk's answers are used again; a finished walk's stay as ``last`` until the next one is finished, and
the next walk asks the site anew. Offline every answer comes from the archive and nothing is asked.
"""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock

from pipeline import work
from pipeline.errors import SourceError
from pipeline.files import digest, write_bytes
from pipeline.http import PACKAGE, FetchError, Response
from pipeline.robots import forbids_training, says_there_is_none

Get = Callable[[str], Response]
Post = Callable[[str, Any], Response]
ANSWERS_KEPT = frozenset({"not_found", "robots_disallowed"})  # failures that walks take for an answer


class Answers:
    """What a site answers, as text: from the archive where it is there, else from the site.

    Call it with an address, or :meth:`post` a value to one.

    Args:
        folder: of this walk's answers.
        get: asks the site.
        post: as ``get``, with a value that is sent as JSON.
    """

    def __init__(self, folder: Path, get: Get, post: Post | None) -> None:
        self._folder, self._get, self._post = folder, get, post
        self._newest: Path | None = None

    def __call__(self, url: str) -> str:
        """The answer at an address.

        Raises:
            FetchError: it could not be had.
        """
        return _told(self._get_kept(url))

    def page(self, url: str) -> str:
        """The page at an address, which is to become a record.

        Raises:
            FetchError: it could not be had, or its ``X-Robots-Tag`` keeps it from training (``noai``).
        """
        kept = self._get_kept(url)
        text = _told(kept)
        if forbids_training(kept.get("robots_tag"), PACKAGE):
            raise FetchError(url, "noai", status=kept["status"])
        return text

    def post(self, url: str, value: Any) -> str:
        """The answer to a value that is sent as JSON.

        Raises:
            FetchError: it could not be had.
        """
        if self._post is None:
            raise ValueError("this walk was begun without a way to post")
        post = self._post
        return _told(self._answer(digest([url, value]), {"url": url, "posted": value}, lambda: post(url, value)))

    def forget_newest(self) -> None:
        """Let the newest answer be asked for again: it made no sense."""
        if self._newest is not None:
            self._newest.unlink(missing_ok=True)

    def _get_kept(self, url: str) -> dict[str, Any]:
        return self._answer(digest(url), {"url": url}, lambda: self._get(url))

    def _answer(self, name: str, asked: dict[str, Any], ask: Callable[[], Response]) -> dict[str, Any]:
        """One answer as the archive keeps it."""
        path = self._newest = self._folder / f"{name}.json.gz"
        if path.is_file():
            return _load(path)
        try:
            answer = ask()
        except FetchError as error:
            if _is_answer(error, asked["url"]):
                _write(path, {**asked, "status": error.status, "failed": error.reason, "attempts": error.attempts})
            raise
        kept = {
            **asked,
            "status": answer.status,
            "content_type": answer.headers.get("content-type"),
            "robots_tag": answer.headers.get("x-robots-tag"),
            "body": answer.text,
        }
        _write(path, kept)
        return kept


@contextmanager
def walking(source: str, settings: dict[str, Any], get: Get, post: Post | None = None) -> Iterator[Answers]:
    """Give what fetches an address as text, from this unfinished walk's archive or from the site.

    Args:
        source: the source's name.
        settings: what the walk depends on; other settings are another walk.
        get: asks the site.
        post: as ``get``, with a value that is sent as JSON; a source that only gets needs none.
    """
    folder = _folder(source) / digest(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        answers = Answers(folder / "current", get, post)
        try:
            yield answers
        except SourceError as error:
            if not isinstance(error, FetchError):
                answers.forget_newest()
            raise
        _keep_as_last(folder)


class Archived(Answers):
    """Answers of earlier walks, whatever their settings were; of several to one request the newest."""

    def __init__(self, source: str) -> None:
        super().__init__(_folder(source), _no_request, _no_request)
        self._source = source

    def _answer(self, name: str, asked: dict[str, Any], ask: Callable[[], Response]) -> dict[str, Any]:
        found = [path for walk in ("current", "last") for path in self._folder.glob(f"*/{walk}/{name}.json.gz")]
        if not found:
            raise SourceError(
                f"{asked['url']} is not in the archive of {self._source} ({self._folder}): run the stage without "
                "--offline once, with these settings"
            )
        return max(map(_load, found), key=lambda kept: str(kept["fetched_at"]))


def _is_answer(error: FetchError, url: str) -> bool:
    """Whether a walk takes this failure for an answer; a robots.txt may be refused, which says that there is none."""
    return error.reason in ANSWERS_KEPT or (urlsplit(url).path == "/robots.txt" and says_there_is_none(error))


def _no_request(url: str, _: Any = None) -> Response:
    raise AssertionError(f"offline, but {url} was asked")


def _folder(source: str) -> Path:
    return work.root() / "scrape" / source


def _keep_as_last(folder: Path) -> None:
    if (folder / "current").is_dir():
        if (folder / "last").is_dir():
            shutil.rmtree(folder / "last")
        (folder / "current").replace(folder / "last")


def _load(path: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return kept


def _told(kept: dict[str, Any]) -> str:
    """An answer's text.

    Raises:
        FetchError: the answer was that there is none.
    """
    if "failed" in kept:
        raise FetchError(kept["url"], kept["failed"], status=kept["status"], attempts=kept["attempts"])
    return str(kept["body"])


def _write(path: Path, kept: dict[str, Any]) -> None:
    stamped = {**kept, "fetched_at": datetime.now(UTC).isoformat(timespec="milliseconds")}
    write_bytes(path, gzip.compress(json.dumps(stamped, ensure_ascii=False).encode(), mtime=0))

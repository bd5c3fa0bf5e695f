"""Raw answers of a walk, kept as they come, so that a killed walk goes on where it was.

An unfinished walk's answers are used again; a finished walk's stay as ``last`` until the next one is finished, and
the next walk asks the site anew.
"""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline import work
from pipeline.errors import SourceError
from pipeline.files import digest, write_bytes
from pipeline.http import FetchError, Response
from pipeline.sources.record import Fetch


@contextmanager
def walking(source: str, settings: dict[str, Any], get: Callable[[str], Response]) -> Iterator[Fetch]:
    """Give a function that fetches an address as text, from this unfinished walk's archive or from the site.

    Args:
        source: the source's name.
        settings: what the walk depends on; other settings are another walk.
        get: asks the site.
    """
    folder = work.root() / "scrape" / source / digest(settings)
    folder.mkdir(parents=True, exist_ok=True)
    newest: list[Path] = []
    with FileLock(folder / "lock"):
        try:
            yield lambda url: _fetch(folder / "current", url, get, newest)
        except SourceError as error:
            if newest and not isinstance(error, FetchError):
                newest[0].unlink(missing_ok=True)  # an answer that made no sense is asked for again
            raise
        _keep_as_last(folder)


def _keep_as_last(folder: Path) -> None:
    if (folder / "current").is_dir():
        if (folder / "last").is_dir():
            shutil.rmtree(folder / "last")
        (folder / "current").replace(folder / "last")


def _fetch(folder: Path, url: str, get: Callable[[str], Response], newest: list[Path]) -> str:
    path = folder / f"{digest(url)}.json.gz"
    newest[:] = [path]
    if path.is_file():
        return str(json.loads(gzip.decompress(path.read_bytes()))["body"])
    answer = get(url)
    kept = {
        "url": url,
        "status": answer.status,
        "content_type": answer.headers.get("content-type"),
        "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "body": answer.text,
    }
    write_bytes(path, gzip.compress(json.dumps(kept, ensure_ascii=False).encode(), mtime=0))
    return answer.text

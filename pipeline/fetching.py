"""Getting pictures: all hosts at once, each picture kept in the work store soon after it came, each failure noted."""

import time
from collections.abc import Callable, Sequence

from pipeline import cli
from pipeline.downloading import picture_format
from pipeline.http import PACKAGE, FetchError, Response
from pipeline.lanes import as_they_come
from pipeline.picture_store import Failure, Picture, PictureStore
from pipeline.robots import forbids_training

# What a kill can cost: so many pictures, bytes or seconds of work, whichever comes first.
HELD, HELD_BYTES, HELD_S = 64, 2**26, 30.0


def fetch_missing(
    urls: Sequence[str],
    store: PictureStore,
    get: Callable[[str], Response],
    *,
    workers: int,
    final: bool = False,
) -> int:
    """Ask for what the store lacks, keep what comes, note what does not; give how many were asked.

    Args:
        urls: the addresses that are wanted.
        store: keeps each finished picture; a second run asks only for what is missing.
        get: fetches one address; raises FetchError.
        workers: threads for each host.
        final: ask also for what was gone or not for us when it was last asked for.
    """
    with store.locked():
        waiting = store.to_ask(urls, final=final)
        held = _Held(store)
        with cli.progress([], "download", total=len(waiting), unit="picture") as bar:
            try:
                for outcome in as_they_come(waiting, lambda url: ask(url, get), workers=workers):
                    held.add(outcome)
                    bar.update()
            finally:
                held.flush()
    return len(waiting)


def ask(url: str, get: Callable[[str], Response]) -> Picture | Failure:
    """Fetch one address; nothing but a picture that may be used for training is one."""
    try:
        answer = get(url)
    except FetchError as error:
        return Failure(url, error.reason, error.status, error.attempts)
    if forbids_training(answer.headers.get("x-robots-tag"), PACKAGE):
        return Failure(url, "noai", answer.status, answer.attempts)
    if picture_format(answer.content) is None:
        return Failure(url, "no_image", answer.status, answer.attempts)
    return Picture(url, answer.content, answer.status, answer.attempts)


class _Held:
    """Outcomes that are not on disk yet."""

    def __init__(self, store: PictureStore) -> None:
        self._store = store
        self._pictures: list[Picture] = []
        self._failures: list[Failure] = []
        self._since = time.monotonic()

    def add(self, outcome: Picture | Failure) -> None:
        if isinstance(outcome, Picture):
            self._pictures.append(outcome)
        else:
            self._failures.append(outcome)
        if self._is_enough():
            self.flush()

    def _is_enough(self) -> bool:
        return (
            len(self._pictures) + len(self._failures) >= HELD
            or sum(len(picture.content) for picture in self._pictures) >= HELD_BYTES
            or time.monotonic() - self._since >= HELD_S
        )

    def flush(self) -> None:
        self._store.keep(self._pictures)
        self._store.note(self._failures)
        self._pictures, self._failures, self._since = [], [], time.monotonic()

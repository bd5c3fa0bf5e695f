"""What the walks through all sites share: settings, parsing JSON, and guards against walks without end."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import Field

from pipeline.errors import SourceError
from pipeline.params import Positive, Section
from pipeline.sources.record import MAX_ID, Item, Record, Rejected, Unusable, as_mapping, json_value


class SiteParams(Section):
    """Settings that every source has."""

    serve: str | None = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")
    """Module that serves this site on loopback (``miniature.sites``); null is the real site."""

    max_records: Positive
    """The walk ends after so many items."""

    requests_per_s: float = Field(gt=0.0, le=10_000.0)
    """Requests a second to one host of the site, on average; intervals jitter by half. Never changes results."""


class Guard:
    """Lets every item through once and stops at a number of items.

    Args:
        max_records: items to let through.
    """

    def __init__(self, max_records: int) -> None:
        self._left = max_records
        self._seen: set[str] = set()

    @property
    def left(self) -> int:
        """How many items may still come; a walk that lowers it at each step has an end."""
        return self._left

    @property
    def full(self) -> bool:
        """Whether the wanted number is reached."""
        return self._left == 0

    def fresh(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items that were not seen before, as long as there is room."""
        for item in items:
            if self.full:
                return
            if item.source_id not in self._seen:
                self._seen.add(item.source_id)
                self._left -= 1
                yield item


def json_object(text: str, url: str, key: str) -> Mapping[str, Any]:
    """An answer as a JSON object that has a list under ``key``.

    Raises:
        SourceError: it is something else: the site has changed or answers nonsense.
    """
    try:
        value = json_value(text)
    except ValueError as error:
        raise SourceError(f"{url} did not answer with JSON: {text[:60]!r}") from error
    if not isinstance(value, dict) or not isinstance(value.get(key), list):
        raise SourceError(f"{url} answered JSON without a list {key!r}: the site's format has changed")
    return value


def items(raw: Iterable[Any], url: str, make: Callable[[Mapping[str, Any]], Record]) -> list[Item]:
    """Each item of an answer as a record, or as a rejection where ``make`` finds it unusable."""
    return [_item(as_mapping(item), f"{url}#{index}", make) for index, item in enumerate(raw)]


def _item(item: Mapping[str, Any], place: str, make: Callable[[Mapping[str, Any]], Record]) -> Item:
    """A rejection is named by the item's id where it has one, else by its place in the answer."""
    try:
        return make(item)
    except Unusable as fault:
        name = item.get("id")
        return Rejected(str(name)[:MAX_ID] if isinstance(name, str | int) else place, fault.reason)

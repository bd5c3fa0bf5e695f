"""Stage ``scrape@<source>``: ask one site for records of pictures with their prompts.

Reads     the source's API or pages; an unfinished walk goes on from the work store
          takedown.txt                           what was removed is no record any more
Writes    data/scrape/<source>/records.parquet   sources.record.RECORDS
          data/scrape/<source>/dropped.parquet   items that are no record, with the reason
          data/scrape/<source>/report.json       counts, newest and oldest record, why the walk ended
Params    sources
"""

from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard, get_args

import pyarrow as pa

from pipeline import cli, params, samples, tables
from pipeline.errors import EmptyResultError, SettingError
from pipeline.files import temporary_folder
from pipeline.http import Limits, PoliteSession, Response
from pipeline.serving import serving
from pipeline.sorting import RowSorter
from pipeline.sources import civitai, lexica, stable_diffusion_online
from pipeline.sources.archive import walking
from pipeline.sources.record import RECORDS, Fetch, Item, Record, Rejected, Walk
from pipeline.sources.settings import SITE_HOSTS, SourceName, SourcesParams
from pipeline.tables import KEY
from pipeline.takedown_list import TAKEDOWNS
from pipeline.takedown_list import read as read_takedowns

RECORDS_FOLDER = Path("data/scrape")
MAX_BYTES = 20_000_000
RESULT_NEUTRAL = {"requests_per_s"}


def main(source: str) -> None:
    """Scrape one source with the settings in force."""
    config = params.load(SourcesParams, "sources")
    name = known(source)
    site = config.site(name)
    limits = Limits(site.requests_per_s, config.attempts, config.timeout_s, MAX_BYTES)
    with (
        serving({f"sources.{name}.serve": site.serve}) as host_map,
        PoliteSession(limits, allowed_hosts=SITE_HOSTS[name], host_map=host_map, contact=config.contact) as session,
    ):
        # No dependency in dvc.yaml: the list only takes away, and a new entry must not ask a site for everything again.
        removed = read_takedowns(TAKEDOWNS).removed
        scrape(name, config, RECORDS_FOLDER / name, get=session.get, removed=removed)


def known(source: str) -> SourceName:
    """A source's name from the command line.

    Raises:
        SettingError: there is no such source.
    """
    names: dict[str, SourceName] = {name: name for name in get_args(SourceName)}
    if source not in names:
        raise SettingError(f"{source!r} is no source: choose one of {', '.join(names)}")
    return names[source]


def scrape(
    name: SourceName,
    config: SourcesParams,
    target: Path,
    *,
    get: Callable[[str], Response],
    removed: AbstractSet[str] = frozenset(),
) -> None:
    """Walk through a site and write what it has.

    Args:
        name: the source.
        config: all settings of sources.
        target: folder of this source's tables.
        get: fetches one address.
        removed: ids and addresses of what ``sur takedown`` removed; such records are rejected.
    """
    tally = _Tally(removed)
    with (
        walking(name, config.site(name).model_dump(exclude=RESULT_NEUTRAL), get) as fetch,
        temporary_folder(target / "records") as folder,
    ):
        sorter = RowSorter(folder, RECORDS)
        tally.ended = _collect(walk(name, config, fetch), sorter, tally, name)
        if len(sorter):  # written before the walk counts as finished: a kill here costs no request
            _write(name, sorter, tally, target)
    if not tally.records:
        raise EmptyResultError(
            f"{name} gave no record with a prompt: look at sources.{name}, or take it out of sources.enabled"
        )


@dataclass
class _Tally:
    """What is counted while records come."""

    removed: AbstractSet[str]
    items: int = 0
    rejected: dict[str, str] = field(default_factory=dict)
    levels: Counter[str] = field(default_factory=Counter)
    oldest: str | None = None
    newest: str | None = None
    ended: str = ""

    @property
    def records(self) -> int:
        return self.levels.total()

    def takes(self, item: Item) -> TypeGuard[Record]:
        """Count an item; whether it is a record that may stay."""
        self.items += 1
        if isinstance(item, Rejected):
            self.rejected[item.source_id] = item.reason
            return False
        if not self.removed.isdisjoint((item.row()[KEY], item.page_url, item.image_url)):
            self.rejected[item.source_id] = "takedown"
            return False
        self.levels[str(item.nsfw_level)] += 1
        if date := item.created_at:
            self.oldest, self.newest = min(self.oldest or date, date), max(self.newest or date, date)
        return True


def _write(name: SourceName, sorter: RowSorter, tally: _Tally, target: Path) -> None:
    tables.write_in_order(sorter.ordered(), target / "records.parquet", RECORDS)
    dropped = samples.drop(_rejections(name, tally.rejected), target / "dropped.parquet")
    figures = {"oldest": tally.oldest, "newest": tally.newest, "by_nsfw_level": dict(tally.levels)}
    samples.write_report(target / "report.json", tally.items, tally.records, dropped, **figures, ended=tally.ended)
    cli.say(f"scrape {name}: {tally.records:,} records, {dropped.total():,} rejected ({tally.ended})")


def walk(name: SourceName, config: SourcesParams, fetch: Fetch) -> Walk:
    """The walk through one source."""
    match name:
        case "lexica":
            return lexica.walk(fetch, config.lexica)
        case "civitai":
            return civitai.walk(fetch, config.civitai, config.author_salt)
        case "stable_diffusion_online":
            return stable_diffusion_online.walk(fetch, config.stable_diffusion_online)


def _collect(items: Walk, sorter: RowSorter, tally: _Tally, name: str) -> str:
    """Take every item as it comes and give the reason why the walk ended."""
    with cli.progress([], f"scrape {name}", unit="record") as bar:
        while True:
            try:
                item = next(items)
            except StopIteration as end:
                return str(end.value)
            if tally.takes(item):
                sorter.add(item.row())
            bar.update()


def _rejections(name: str, rejected: Mapping[str, str]) -> pa.Table:
    rows = [{KEY: f"{name}:{source_id}", "drop_reason": reason} for source_id, reason in rejected.items()]
    return tables.from_rows(rows, tables.DROPPED)


if __name__ == "__main__":
    cli.run(main, doc=__doc__, arguments={"source": "lexica, civitai or stable_diffusion_online"})

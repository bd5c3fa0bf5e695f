"""Stage ``scrape@<source>``: ask one site for records of pictures with their prompts, or read an import's.

Reads     the source's API or pages; an unfinished walk goes on from the work store. With --offline the answers of
          earlier walks are parsed again and no site is asked. An import reads its folder and asks nobody
          takedown.txt                           what was removed is no record any more
Writes    data/scrape/<source>/records.parquet   sources.record.RECORDS
          data/scrape/<source>/dropped.parquet   items that are no record, with the reason
          data/scrape/<source>/report.json       counts, newest and oldest record, why the walk ended
Params    sources
"""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

import pyarrow as pa

from pipeline import cli, params, samples, tables
from pipeline.errors import EmptyResultError, SettingError
from pipeline.files import temporary_folder
from pipeline.http import Limits, PoliteSession
from pipeline.serving import serving
from pipeline.sorting import RowSorter
from pipeline.sources import access, civitai, lexica, stable_diffusion_online
from pipeline.sources.archive import Archived, Get, Post, walking
from pipeline.sources.imports import kinds
from pipeline.sources.record import RECORDS, Ask, Item, Record, Rejected, Walk
from pipeline.sources.settings import SITES, SourceName, SourcesParams
from pipeline.tables import KEY
from pipeline.takedown_list import TAKEDOWNS
from pipeline.takedown_list import read as read_takedowns

RECORDS_FOLDER = Path("data/scrape")
MAX_BYTES = 20_000_000
RESULT_NEUTRAL = {"requests_per_s"}


def main(source: str, *, offline: bool = False) -> None:
    """Scrape or read one source with the settings in force.

    Args:
        source: its name.
        offline: parse what earlier walks were answered.
    """
    config = params.load(SourcesParams, "sources")
    # No dependency in dvc.yaml: the list only takes away, and a new entry must not ask a site for everything again.
    removed = read_takedowns(TAKEDOWNS).removed
    if source in config.imports:
        read_import(source, config, RECORDS_FOLDER / source, removed=removed)
        return
    name = known(source, config)
    target = RECORDS_FOLDER / name
    if offline:
        replay(name, config, target, removed=removed)
        return
    site = config.site(name)
    limits = Limits(site.requests_per_s, config.attempts, config.timeout_s, MAX_BYTES)
    with (
        serving({f"sources.{name}.serve": site.serve}) as host_map,
        PoliteSession(limits, access.to_site(name, host_map), contact=config.contact) as session,
    ):
        scrape(name, config, target, get=session.get, post=session.post, removed=removed)


def known(source: str, config: SourcesParams) -> SourceName:
    """A site's name from the command line.

    Raises:
        SettingError: there is no such source.
    """
    if source not in SITES:
        raise SettingError(f"{source!r} is no source: choose one of {', '.join([*SITES, *config.imports])}")
    return SITES[source]


def scrape(
    name: SourceName,
    config: SourcesParams,
    target: Path,
    *,
    get: Get,
    post: Post | None = None,
    removed: AbstractSet[str] = frozenset(),
) -> None:
    """Walk through a site and write what it has.

    Args:
        name: the site.
        config: all settings of sources.
        target: folder of this source's tables.
        get: fetches one address.
        post: as ``get``, with a value that is sent as JSON.
        removed: ids and addresses of what ``sur takedown`` removed; such records are rejected.
    """
    with walking(name, config.site(name).model_dump(exclude=RESULT_NEUTRAL), get, post) as fetch:
        # written before the walk counts as finished: a kill here costs no request
        tally = _write(name, walk(name, config, fetch), target, removed)
    _require(tally, name)


def replay(name: SourceName, config: SourcesParams, target: Path, *, removed: AbstractSet[str] = frozenset()) -> None:
    """Parse the answers of earlier walks again, without one request, and write what they have.

    Raises:
        SourceError: an answer that the walk needs is not in the archive.
    """
    _require(_write(name, walk(name, config, Archived(name)), target, removed), name)


def read_import(name: str, config: SourcesParams, target: Path, *, removed: AbstractSet[str] = frozenset()) -> None:
    """Read an import and write what it has; nothing is asked of any site.

    Args:
        name: of the import.
        config: all settings of sources.
        target: folder of this source's tables.
        removed: as for :func:`scrape`.
    """
    found = kinds.walk(name, config.imports[name], config.author_salt)
    _require(_write(name, found, target, removed), name)


def walk(name: SourceName, config: SourcesParams, fetch: Ask) -> Walk:
    """The walk through one site."""
    match name:
        case "lexica":
            return lexica.walk(fetch, config.lexica, config.author_salt)
        case "civitai":
            return civitai.walk(fetch, config.civitai, config.author_salt)
        case "stable_diffusion_online":
            return stable_diffusion_online.walk(fetch, config.stable_diffusion_online)


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


def _write(name: str, items: Walk, target: Path, removed: AbstractSet[str]) -> _Tally:
    """Write tables and report, unless there is no record; records pass through files, so that memory stays small."""
    tally = _Tally(removed)
    with temporary_folder(target / "records") as folder:
        sorter = RowSorter(folder, RECORDS)
        tally.ended = _collect(items, sorter, tally, name)
        if tally.records:
            tables.write_in_order(sorter.ordered(), target / "records.parquet", RECORDS)
            _report(name, tally, target)
    return tally


def _report(name: str, tally: _Tally, target: Path) -> None:
    dropped = samples.drop(_rejections(name, tally.rejected), target / "dropped.parquet")
    figures = {"oldest": tally.oldest, "newest": tally.newest, "by_nsfw_level": dict(tally.levels)}
    samples.write_report(target / "report.json", tally.items, tally.records, dropped, **figures, ended=tally.ended)
    cli.say(f"scrape {name}: {tally.records:,} records, {dropped.total():,} rejected ({tally.ended})")


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


def _require(tally: _Tally, name: str) -> None:
    if not tally.records:
        raise EmptyResultError(
            f"{name} gave no record with a prompt: look at sources.{name}, or take it out of sources.enabled"
        )


if __name__ == "__main__":
    cli.run(
        main,
        doc=__doc__,
        arguments={"source": "lexica, civitai, stable_diffusion_online, or an import of params.yaml"},
        flags={"offline": "parse again what earlier walks were answered; no site is asked"},
    )

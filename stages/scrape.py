"""Stage ``scrape@<source>``: ask one site for records of pictures with their prompts, or read an import's.

Reads     the source's API or pages (an unfinished walk goes on from the work store), or the import's folder
Writes    data/scrape/<source>/records.parquet   sources.record.RECORDS
          data/scrape/<source>/dropped.parquet   items that are no record, with the reason
          data/scrape/<source>/report.json       counts, newest and oldest record, why the walk ended
Params    sources
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import cli, params, samples, tables
from pipeline.errors import EmptyResultError, SettingError
from pipeline.http import Limits, PoliteSession, Response
from pipeline.serving import serving
from pipeline.sources import civitai, lexica, stable_diffusion_online
from pipeline.sources.archive import walking
from pipeline.sources.imports import kinds
from pipeline.sources.record import RECORDS, Fetch, Item, Record, Walk
from pipeline.sources.settings import SITE_HOSTS, SITES, SourceName, SourcesParams
from pipeline.spool import Spool
from pipeline.tables import KEY

RECORDS_FOLDER = Path("data/scrape")
MAX_BYTES = 20_000_000
RESULT_NEUTRAL = {"requests_per_s"}


def main(source: str) -> None:
    """Scrape or read one source with the settings in force."""
    config = params.load(SourcesParams, "sources")
    if source in config.imports:
        read_import(source, config, RECORDS_FOLDER / source)
        return
    name = known(source, config)
    site = config.site(name)
    limits = Limits(site.requests_per_s, config.attempts, config.timeout_s, MAX_BYTES)
    with (
        serving({f"sources.{name}.serve": site.serve}) as host_map,
        PoliteSession(limits, allowed_hosts=SITE_HOSTS[name], host_map=host_map, contact=config.contact) as session,
    ):
        scrape(name, config, RECORDS_FOLDER / name, get=session.get)


def known(source: str, config: SourcesParams) -> SourceName:
    """A site's name from the command line.

    Raises:
        SettingError: there is no such source.
    """
    if source not in SITES:
        raise SettingError(f"{source!r} is no source: choose one of {', '.join([*SITES, *config.imports])}")
    return SITES[source]


def scrape(name: SourceName, config: SourcesParams, target: Path, *, get: Callable[[str], Response]) -> None:
    """Walk through a site and write what it has.

    Args:
        name: the site.
        config: all settings of sources.
        target: folder of this source's tables.
        get: fetches one address.
    """
    with walking(name, config.site(name).model_dump(exclude=RESULT_NEUTRAL), get) as fetch:
        count = _collect(name, walk(name, config, fetch), target)  # before the walk counts as finished
    _require_records(name, count)


def read_import(name: str, config: SourcesParams, target: Path) -> None:
    """Read what an import has; nothing is asked of any site.

    Args:
        name: of the import.
        config: all settings of sources.
        target: folder of this source's tables.
    """
    _require_records(name, _collect(name, kinds.walk(name, config.imports[name], config.author_salt), target))


def walk(name: SourceName, config: SourcesParams, fetch: Fetch) -> Walk:
    """The walk through one site."""
    match name:
        case "lexica":
            return lexica.walk(fetch, config.lexica)
        case "civitai":
            return civitai.walk(fetch, config.civitai, config.author_salt)
        case "stable_diffusion_online":
            return stable_diffusion_online.walk(fetch, config.stable_diffusion_online)


@dataclass
class _Tally:
    """What the report says: counts, the rejections, how old the records are and how they are rated."""

    items: int = 0
    rejected: dict[str, str] = field(default_factory=dict)
    oldest: str | None = None
    newest: str | None = None
    levels: Counter[str] = field(default_factory=Counter)

    def add(self, item: Item) -> None:
        """Count one item."""
        self.items += 1
        if not isinstance(item, Record):
            self.rejected[item.source_id] = item.reason
            return
        self.levels[str(item.nsfw_level)] += 1
        if item.created_at:
            self.oldest = min(self.oldest or item.created_at, item.created_at)
            self.newest = max(self.newest or item.created_at, item.created_at)

    def figures(self) -> dict[str, Any]:
        """For the report."""
        return {"oldest": self.oldest, "newest": self.newest, "by_nsfw_level": dict(self.levels)}


def _collect(name: str, items: Walk, target: Path) -> int:
    """Write the tables and the report, unless there is no record; give the number of records.

    Records go through a spool, so that their number does not matter to the memory.
    """
    tally, ended = _Tally(), ""
    with Spool(RECORDS, target / ".records.tmp") as records, cli.progress([], f"scrape {name}", unit="record") as bar:
        while not ended:
            try:
                item = next(items)
            except StopIteration as end:
                ended = str(end.value)
                continue
            tally.add(item)
            if isinstance(item, Record):
                records.add(item.row())
            bar.update()
        if records.count:
            records.write(target / "records.parquet")
            _report(name, tally, records.count, target, ended)
    return records.count


def _report(name: str, tally: _Tally, count: int, target: Path, ended: str) -> None:
    dropped = samples.drop(_rejections(name, tally.rejected), target / "dropped.parquet")
    samples.write_report(target / "report.json", tally.items, count, dropped, **tally.figures(), ended=ended)
    cli.say(f"scrape {name}: {count:,} records, {dropped.total():,} rejected ({ended})")


def _rejections(name: str, rejected: dict[str, str]) -> pa.Table:
    rows = [{KEY: f"{name}:{source_id}", "drop_reason": reason} for source_id, reason in rejected.items()]
    return tables.from_rows(rows, tables.DROPPED)


def _require_records(name: str, count: int) -> None:
    if not count:
        raise EmptyResultError(
            f"{name} gave no record with a prompt: look at sources.{name}, or take it out of sources.enabled"
        )


if __name__ == "__main__":
    cli.run(
        main, doc=__doc__, arguments={"source": "lexica, civitai, stable_diffusion_online, or an import of params.yaml"}
    )

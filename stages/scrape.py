"""Stage ``scrape@<source>``: ask one site for records of pictures with their prompts.

Reads     the source's API or pages; an unfinished walk goes on from the work store. With --offline the answers of
          earlier walks are parsed again and no site is asked
Writes    data/scrape/<source>/records.parquet   sources.record.RECORDS
          data/scrape/<source>/dropped.parquet   items that are no record, with the reason
          data/scrape/<source>/report.json       counts, newest and oldest record, why the walk ended
Params    sources
"""

from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa

from pipeline import cli, params, samples, tables
from pipeline.errors import SettingError
from pipeline.http import Limits, PoliteSession
from pipeline.serving import serving
from pipeline.sources import access, civitai, lexica, stable_diffusion_online
from pipeline.sources.archive import Archived, Get, Post, walking
from pipeline.sources.record import RECORDS, Fetch, Item, Record, Rejected, Walk
from pipeline.sources.settings import SourceName, SourcesParams
from pipeline.tables import KEY

RECORDS_FOLDER = Path("data/scrape")
MAX_BYTES = 20_000_000
RESULT_NEUTRAL = {"requests_per_s"}


def main(source: str, *, offline: bool = False) -> None:
    """Scrape one source with the settings in force.

    Args:
        source: its name.
        offline: parse what earlier walks were answered.
    """
    config = params.load(SourcesParams, "sources")
    name = known(source)
    target = RECORDS_FOLDER / name
    if offline:
        replay(name, config, target)
        return
    site = config.site(name)
    limits = Limits(site.requests_per_s, config.attempts, config.timeout_s, MAX_BYTES)
    with (
        serving({f"sources.{name}.serve": site.serve}) as host_map,
        PoliteSession(limits, access.to_site(name, host_map), contact=config.contact) as session,
    ):
        scrape(name, config, target, get=session.get, post=session.post)


def known(source: str) -> SourceName:
    """A source's name from the command line.

    Raises:
        SettingError: there is no such source.
    """
    names: dict[str, SourceName] = {name: name for name in get_args(SourceName)}
    if source not in names:
        raise SettingError(f"{source!r} is no source: choose one of {', '.join(names)}")
    return names[source]


def scrape(name: SourceName, config: SourcesParams, target: Path, *, get: Get, post: Post | None = None) -> None:
    """Walk through a site and write what it has.

    Args:
        name: the source.
        config: all settings of sources.
        target: folder of this source's tables.
        get: fetches one address.
        post: as ``get``, with a value that is sent as JSON.
    """
    with walking(name, config.site(name).model_dump(exclude=RESULT_NEUTRAL), get, post) as fetch:
        # written before the walk counts as finished: a kill here costs no request
        rows = _walk_and_write(name, config, target, fetch)
    _require(rows, name)


def replay(name: SourceName, config: SourcesParams, target: Path) -> None:
    """Parse the answers of earlier walks again, without one request, and write what they have.

    Raises:
        SourceError: an answer that the walk needs is not in the archive.
    """
    _require(_walk_and_write(name, config, target, Archived(name)), name)


def _walk_and_write(name: SourceName, config: SourcesParams, target: Path, fetch: Fetch) -> pa.Table:
    found: list[Item] = []
    ended = _collect(walk(name, config, fetch), found, name)
    rows = tables.from_rows((item.row() for item in found if isinstance(item, Record)), RECORDS)
    if rows.num_rows:
        _write(name, found, rows, target, ended)
    return rows


def _require(rows: pa.Table, name: SourceName) -> None:
    samples.require_rows(
        rows, f"{name} gave no record with a prompt: look at sources.{name}, or take it out of sources.enabled"
    )


def _write(name: SourceName, found: list[Item], rows: pa.Table, target: Path, ended: str) -> None:
    tables.write(rows, target / "records.parquet", RECORDS)
    dropped = samples.drop(_rejections(name, found), target / "dropped.parquet")
    samples.write_report(target / "report.json", len(found), rows.num_rows, dropped, **_figures(rows), ended=ended)
    cli.say(f"scrape {name}: {rows.num_rows:,} records, {dropped.total():,} rejected ({ended})")


def walk(name: SourceName, config: SourcesParams, fetch: Fetch) -> Walk:
    """The walk through one source."""
    match name:
        case "lexica":
            return lexica.walk(fetch, config.lexica)
        case "civitai":
            return civitai.walk(fetch, config.civitai, config.author_salt)
        case "stable_diffusion_online":
            return stable_diffusion_online.walk(fetch, config.stable_diffusion_online)


def _collect(items: Walk, found: list[Item], name: str) -> str:
    """Fill ``found`` and give the reason why the walk ended."""
    with cli.progress([], f"scrape {name}", unit="record") as bar:
        while True:
            try:
                found.append(next(items))
            except StopIteration as end:
                return str(end.value)
            bar.update()


def _rejections(name: str, found: list[Item]) -> pa.Table:
    rejected = {item.source_id: item.reason for item in found if isinstance(item, Rejected)}
    rows = [{KEY: f"{name}:{source_id}", "drop_reason": reason} for source_id, reason in rejected.items()]
    return tables.from_rows(rows, tables.DROPPED)


def _figures(records: pa.Table) -> dict[str, Any]:
    """What the report says about the records: how old they are and how they are rated."""
    dates = sorted(date for date in records.column("created_at").to_pylist() if date)
    levels = Counter(str(level) for level in records.column("nsfw_level").to_pylist())
    return {
        "oldest": dates[0] if dates else None,
        "newest": dates[-1] if dates else None,
        "by_nsfw_level": dict(levels),
    }


if __name__ == "__main__":
    cli.run(
        main,
        doc=__doc__,
        arguments={"source": "lexica, civitai or stable_diffusion_online"},
        flags={"offline": "parse again what earlier walks were answered; no site is asked"},
    )

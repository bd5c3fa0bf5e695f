"""Stage ``download``: get the pictures of all records of the enabled sources.

Reads     data/scrape/<source>/records.parquet   sources.record.RECORDS, for each of sources.enabled
          folders of imports, which hold their pictures
          takedown.txt                         what was removed is not asked for again
Writes    data/download/parts/                   downloading.DOWNLOADS, pictures as the sites sent them
          data/download/failures.parquet         downloading.FAILURES
          data/download/ledger.parquet           picture_store.LEDGER, one row an address
          data/download/report.json              success by host and reason
          data/download/sheet.png                some of the pictures
Params    download, image.side_px, sources.enabled, sources.contact, sources.<source>.serve
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import cli, downloading, fetching, params, picture_session, samples, tables
from pipeline.downloading import FAILURES, DownloadParams
from pipeline.engine import ComputeParams
from pipeline.errors import SourceError
from pipeline.files import atomic_file
from pipeline.http import Response, host_of
from pipeline.http_answers import is_final
from pipeline.images import ImageParams, UndecodableError, contact_sheet, decode
from pipeline.picture_store import LEDGER, PictureStore
from pipeline.sources.record import RECORDS
from pipeline.sources.settings import SourcesParams
from pipeline.tables import KEY
from pipeline.takedown_list import TAKEDOWNS, without
from pipeline.takedown_list import read as read_takedowns

SCRAPED = Path("data/scrape")
DOWNLOADED = Path("data/download")
SHEET_PICTURES = 24
SHARD_BYTES = 2**28  # of pictures, about: what packing holds in memory


def main() -> None:
    """Download with the settings in force."""
    config, sources = params.load(DownloadParams, "download"), params.load(SourcesParams, "sources")
    side_px = params.load(ImageParams, "image").side_px
    workers = params.load(ComputeParams, "compute").download_workers
    inputs = [SCRAPED / name / "records.parquet" for name in sources.enabled]
    removed = read_takedowns(TAKEDOWNS).removed
    with picture_session.opened(config, sources) as get:
        download(inputs, DOWNLOADED, config, side_px=side_px, get=get, workers=workers, removed=removed)


def download(
    inputs: Sequence[Path],
    target: Path,
    config: DownloadParams,
    *,
    side_px: int,
    get: Callable[[str], Response],
    workers: int,
    removed: AbstractSet[str] = frozenset(),
) -> None:
    """Get every picture once and pack what came.

    Args:
        inputs: tables of records.
        target: folder of the outputs.
        config: settings.
        side_px: the shorter side that a picture must have in pixels; smaller renditions are not asked for.
        get: fetches one address; raises FetchError.
        workers: threads for each host.
        removed: ids and addresses of what ``sur takedown`` removed.
    """
    found = pa.concat_tables([tables.read(path, RECORDS) for path in inputs]).sort_by(KEY)
    records = without(found, removed)
    urls, store = downloading.addresses(records, side_px=side_px), PictureStore(config.max_mb)
    fetching.fetch_missing(list(urls.values()), store, get, workers=workers)
    failed = downloading.failure_rows(urls, store.failures(list(urls.values())))
    came = records.filter(pc.invert(pc.is_in(records.column(KEY), value_set=failed.column(KEY).combine_chunks())))
    # written before the share is judged: they tell why too little came
    tables.write(failed, target / "failures.parquet", FAILURES)
    tables.write(store.ledger(list(urls.values())), target / "ledger.parquet", LEDGER)
    _require_share(came.num_rows, failed, config.min_success_share)
    _pack(came, urls, target, store)
    reasons = Counter(failed.column("reason").to_pylist())
    if records.num_rows < found.num_rows:
        reasons["takedown"] = found.num_rows - records.num_rows
    by_host = _by_host([urls[key] for key in came.column(KEY).to_pylist()], failed)
    samples.write_report(target / "report.json", found.num_rows, came.num_rows, reasons, by_host=by_host)
    cli.say(f"download: {came.num_rows:,} pictures, {failed.num_rows:,} failed")


def _require_share(came: int, failed: pa.Table, least: float) -> None:
    total = came + failed.num_rows
    if came == 0 or came / total < least:
        reasons = Counter(failed.column("reason").to_pylist()).most_common(3)
        told = ", ".join(f"{reason} {count}" for reason, count in reasons)
        raise SourceError(
            f"only {came} of {total} pictures came ({told}); download.min_success_share asks for {least:.0%}: "
            f"run again later (what came is kept), ask again for what has failed ({_retry(failed)}) or lower it"
        )


def _retry(failed: pa.Table) -> str:
    """The command that asks again; what is final is left out by it unless it is told otherwise."""
    whys = zip(failed.column("reason").to_pylist(), failed.column("status").to_pylist(), strict=True)
    count = sum(is_final(reason, status) for reason, status in whys)
    return f"sur retry-failed; with --all also for {count} that are final" if count else "sur retry-failed"


def _pack(records: pa.Table, urls: Mapping[str, str], target: Path, store: PictureStore) -> None:
    parts = downloading.downloads(records, urls, store, rows=samples.ROWS_PER_SHARD, most_bytes=SHARD_BYTES)
    downloading.write_parts(parts, target / "parts")
    keys = records.column(KEY).to_pylist()
    order = sorted(range(len(keys)), key=lambda row: sha256(keys[row].encode()).digest())
    chosen = records.take(order[: 2 * SHEET_PICTURES])
    names = chosen.column(KEY).to_pylist()
    _write_sheet(target / "sheet.png", names, store.contents([urls[name] for name in names]))


def _write_sheet(path: Path, names: Sequence[str], contents: Sequence[bytes]) -> None:
    pictures = []
    for name, content in zip(names, contents, strict=True):
        try:
            pictures.append((decode(content), name))
        except UndecodableError:
            continue
    pictures = pictures[:SHEET_PICTURES]
    with atomic_file(path) as temporary:
        sheet = contact_sheet([picture for picture, _ in pictures], [name for _, name in pictures])
        sheet.save(temporary, format="PNG")


def _by_host(came: Iterable[str], failed: pa.Table) -> dict[str, dict[str, Any]]:
    """For each host how many pictures came, the share, and why others did not."""
    good = Counter(host_of(url) for url in came)
    bad = Counter(zip(failed.column("host").to_pylist(), failed.column("reason").to_pylist(), strict=True))
    hosts: dict[str, dict[str, Any]] = {}
    for host in sorted({*good, *(host for host, _ in bad)}):
        reasons = {reason: count for (name, reason), count in sorted(bad.items()) if name == host}
        total = good[host] + sum(reasons.values())
        hosts[host] = {"came": good[host], "share": round(good[host] / total, 4), "failed": reasons}
    return hosts


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

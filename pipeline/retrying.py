"""``sur retry-failed``: ask again for pictures that did not come and may come now."""

from collections import Counter
from pathlib import Path

import pyarrow as pa

from pipeline import cli, downloading, fetching, params, picture_session, tables
from pipeline.downloading import DownloadParams
from pipeline.engine import ComputeParams
from pipeline.images import ImageParams
from pipeline.picture_store import PictureStore
from pipeline.sources.record import RECORDS
from pipeline.sources.settings import SourcesParams
from pipeline.takedown_list import TAKEDOWNS, without
from pipeline.takedown_list import read as read_takedowns

SCRAPED = Path("data/scrape")
NEXT = "to put them into data/download: dvc repro -s -f download, then dvc repro"


def retry_failed(*, final: bool) -> None:
    """Ask again with the settings in force and say what came of it; what the takedown list names is left alone.

    Args:
        final: also for what was gone, refused or not for training when it was last asked for.

    Raises:
        SurError: a setting, the takedown list or a table of records is not usable.
    """
    config, sources = params.load(DownloadParams, "download"), params.load(SourcesParams, "sources")
    side_px = params.load(ImageParams, "image").side_px
    workers = params.load(ComputeParams, "compute").download_workers
    names = read_takedowns(TAKEDOWNS).names
    inputs = [tables.read(SCRAPED / name / "records.parquet", RECORDS) for name in sources.enabled]
    store = PictureStore(config.max_mb)
    wanted = list(downloading.addresses(without(pa.concat_tables(inputs), names), side_px=side_px).values())
    known = store.failures(wanted)
    failed = [url for url in store.to_ask(wanted, final=final) if url in known]
    if not failed:
        cli.say("retry-failed: no picture has failed that could be asked for again")
        return
    with picture_session.opened(config, sources) as get:
        fetching.fetch_missing(failed, store, get, workers=workers, final=final)
    _tell(failed, store)


def _tell(asked: list[str], store: PictureStore) -> None:
    left = store.failures(asked)
    came = len(asked) - len(left)
    cli.say(f"retry-failed: {came:,} of {len(asked):,} pictures came" + (f"; {NEXT}" if came else ""))
    for reason, count in Counter(failure.reason for failure in left.values()).most_common():
        cli.say(f"  {count:,} failed again: {reason}")

"""One whole download from a faulty site, in a process that can be killed: site and client live and die together."""

import os
from pathlib import Path
from threading import RLock

from tqdm import tqdm

from pipeline import fetching, tables
from pipeline.downloading import DownloadParams
from pipeline.sources.record import RECORDS
from stages.download import download
from tests.pipeline.fake_clock import FakeTime
from tests.pipeline.faults.pictures import png
from tests.pipeline.faults.script import HOSTS, Site, client, cut, reply, reset, served
from tests.pipeline.made_records import record

PICTURES = 96
CONFIG = DownloadParams(timeout_s=10.0, attempts=3, max_mb=1.0, requests_per_s=1000.0, min_success_share=0.1)


def run(folder: Path) -> None:
    """Write ``folder/out`` with the work store in ``folder/work``, going on from what is there."""
    os.environ["SUR_WORK"] = str(folder / "work")
    fetching.HELD = 8  # many small chunks: many states to be killed in
    tqdm.set_lock(RLock())  # its own would be one of the system that a killed process leaves behind
    site, rows = Site(), []
    for number in range(PICTURES):
        site.on(f"/{number}", *_answers(number))
        rows.append(record(f"{number:03d}", image_url=f"https://{HOSTS[number % 2]}/{number}"))
    tables.write(tables.from_rows(rows, RECORDS), folder / "records.parquet", RECORDS)
    with served(site), client(site, fake=FakeTime(), attempts=3, max_bytes=10**6, timeout_s=10.0) as session:
        download([folder / "records.parquet"], folder / "out", CONFIG, side_px=8, get=session.get, workers=2)


def _answers(number):
    picture = reply(body=png((number, 255 - number, 0), side_px=8 + number % 5))
    faults = {
        1: (reply(503), picture),
        2: (reset, picture),
        3: (cut, cut, picture),
        4: (reply(404),),
        5: (reply(503),),
        6: (reply(body=b"<html>gone</html>"),),
        7: (reply(body=b"GIF89a", X_Robots_Tag="noai"),),
    }
    return faults.get(number % 12, (picture,))

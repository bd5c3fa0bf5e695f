"""Scraping (replayed), cleaning and splitting 10,000 and 100,000 records: time and peak memory, and how they grow.

The site and its pictures are made up here: pages of 200 items kept in the work store as a walk that was cut off would
have kept them, pictures of 16 px, every twentieth a copy of an earlier one, every twentieth nearly one, every eighth
with an earlier one's prompt. Each measured step is a process of its own; the figures are its processor time and its
peak resident memory. The goals are those of the table's last line.

    python -m bench.cleaning [fewer] [more]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import results

if TYPE_CHECKING:  # libraries are imported in the children alone: a child's peak counts from its parent's size
    from pipeline.cleaning import CleanParams
    from pipeline.http import Response
    from pipeline.sources.settings import SourcesParams

ROOT = Path(__file__).parents[1]
SIZES = (10_000, 100_000)
PAGE, SIDE_PX, SHARD_ROWS = 200, 16, 1000
TIME_GOAL, MEMORY_GOAL = 1.15, 1.2


class _CutOffError(Exception):
    pass


def item(number: int) -> dict[str, Any]:
    """One made-up item as Civitai's API gives it."""
    words = number if number % 4 else number // 8 * 8
    return {
        "id": number,
        "url": f"https://image.civitai.com/bench/{picture_number(number):012d}/{number}.jpeg",
        "width": 832,
        "height": 1216,
        "type": "image",
        "browsingLevel": 1,
        "createdAt": f"2024-{number % 12 + 1:02d}-{number % 28 + 1:02d}T00:00:00Z",
        "username": f"user{number % 997}",
        "meta": {
            "prompt": f"(portrait:1.2) of person {words}, <lora:detail:0.8>, masterpiece, best quality " * 3,
            "negativePrompt": "blurry, low quality, watermark " * 4,
            "sampler": "DPM++ 2M",
            "steps": 30,
            "cfgScale": 7,
            "seed": 2**33 + number,
        },
    }


def picture_number(number: int) -> int:
    """Which picture an item shows: every twentieth shows an earlier one's."""
    return number if number % 10 else number // 20 * 20


def picture(number: int) -> bytes:
    """A made-up picture: coarse noise; each twentieth is the one before it with one grey level more."""
    import io

    import numpy as np
    from PIL import Image

    shown = number - 1 if number % 20 == 13 else number
    coarse = np.random.default_rng(shown).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    pixels = np.kron(coarse, np.ones((SIDE_PX // 4, SIDE_PX // 4, 1), dtype=np.uint8)) + np.uint8(shown != number)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def sources(count: int) -> "SourcesParams":
    """Settings for a walk over so many items."""
    from pipeline import params
    from pipeline.sources.settings import SourcesParams

    config = params.load(SourcesParams, "sources", ROOT / "params.yaml")
    return config.model_copy(
        update={"civitai": config.civitai.model_copy(update={"max_records": count, "page_size": PAGE})}
    )


def archive(count: int) -> None:
    """Keep all pages in the work store, as a walk that was cut off at its end."""
    from pipeline.sources import civitai
    from pipeline.sources.archive import walking
    from stages.scrape import RESULT_NEUTRAL

    config = sources(count).civitai
    try:
        with walking("civitai", config.model_dump(exclude=RESULT_NEUTRAL), page) as fetch:
            for start in range(0, count, PAGE):
                fetch(civitai.page_url(config, str(start) if start else ""))
            raise _CutOffError
    except _CutOffError:
        return


def page(url: str) -> "Response":
    """The site's answer: a page of items and the next cursor."""
    from urllib.parse import parse_qs, urlsplit

    from pipeline.http import Response

    start = int(parse_qs(urlsplit(url).query).get("cursor", ["0"])[0])
    body = {"items": [item(start + row) for row in range(PAGE)], "metadata": {"nextCursor": str(start + PAGE)}}
    return Response(url, 200, {"content-type": "application/json"}, json.dumps(body).encode(), 1)


def scrape(count: int) -> None:
    """The stage ``scrape``; everything comes from the work store."""
    from stages.scrape import scrape as stage

    def refuse(url: str) -> "Response":
        raise AssertionError(f"{url} is not in the work store")

    stage("civitai", sources(count), Path("data/scrape/civitai"), get=refuse)


def pack(_count: int) -> None:
    """Put a picture to each record, as the stage ``download`` would."""
    from pipeline import tables
    from pipeline.downloading import DOWNLOADS

    tables.write_shards(_shards(), Path("data/download/parts"), DOWNLOADS, rows=SHARD_ROWS)


def _shards() -> Iterator[Any]:
    from hashlib import sha256

    import pyarrow.parquet as pq

    from pipeline import tables
    from pipeline.downloading import DOWNLOADS

    with pq.ParquetFile("data/scrape/civitai/records.parquet") as records:
        for batch in records.iter_batches(SHARD_ROWS):
            rows = batch.to_pylist()
            for row in rows:
                content = picture(picture_number(int(row["source_id"])))
                row |= {"image_sha256": sha256(content).hexdigest(), "n_bytes": len(content), "format": "png"}
                row |= {"image": {"bytes": content, "path": f"{row['source_id']}.png"}}
            yield tables.from_rows(rows, DOWNLOADS)


def clean(_count: int) -> None:
    """The stage ``clean``, its split with it."""
    from pipeline.cleaning import HeldOut
    from pipeline.takedown_list import Takedowns
    from stages.clean import clean as stage

    held_out = HeldOut([f"a red circle and {number} stars" for number in range(500)])
    stage(Path("data/download/parts"), Path("data/clean"), _limits(), taken_down=Takedowns(), held_out=held_out)


def _limits() -> "CleanParams":
    from pipeline import params
    from pipeline.cleaning import CleanParams

    return params.load(CleanParams, "clean", ROOT / "params.yaml").model_copy(update={"min_side_px": SIDE_PX})


STEPS = {"archive": archive, "scrape": scrape, "pack": pack, "clean": clean}
MEASURED = ("scrape", "clean")


def run(step: str, count: int, folder: Path) -> tuple[float, float]:
    """Processor seconds and peak memory in MB of one step in a process of its own.

    Raises:
        SystemExit: the step failed.
    """
    command = [sys.executable, "-m", "bench.cleaning", "--step", step, str(count)]
    places = {"SUR_WORK": str(folder / "work"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **places})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{step} of {count:,} records failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def compare(sizes: tuple[int, ...]) -> None:
    """Measure both sizes and print how time and memory grow."""
    figures: dict[tuple[str, int], tuple[float, float]] = {}
    kept: dict[str, float] = {"records": sizes[-1]}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        for count in sizes:
            folder = Path(name) / str(count)
            folder.mkdir()
            for step in STEPS:
                figures[step, count] = run(step, count, folder)
    fewer, more = sizes
    print(f"\n{'step':8}{'records':>10}{'cpu s':>9}{'peak MB':>9}{'time / linear':>15}{'memory':>9}")
    for step in MEASURED:
        (short, small), (long, large) = figures[step, fewer], figures[step, more]
        print(f"{step:8}{fewer:10,}{short:9.1f}{small:9.0f}")
        print(f"{step:8}{more:10,}{long:9.1f}{large:9.0f}{long / short * fewer / more:15.2f}{large / small:9.2f}")
        kept[f"{step}_cpu_ms_a_record"] = 1000 * (long - short) / (more - fewer)
        kept[f"{step}_memory_b_a_record"] = 2**20 * (large - small) / (more - fewer)
        kept[f"{step}_peak_mib"] = large
        kept[f"{step}_time_by_linear"], kept[f"{step}_memory_ratio"] = long / short * fewer / more, large / small
    print(f"{'goal':8}{'':28}{TIME_GOAL:15.2f}{MEMORY_GOAL:9.2f}")
    print(f"everything with its preparation: {time.perf_counter() - started:.0f} s")
    print(f"written to {results.save('cleaning', kept)}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--step", step, count]:
            STEPS[step](int(count))
        case []:
            compare(SIZES)
        case [fewer, more]:
            compare((int(fewer), int(more)))
        case _:
            raise SystemExit("python -m bench.cleaning [fewer] [more]")

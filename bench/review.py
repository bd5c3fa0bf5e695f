"""The review page with 60,000 pairs in its queue: until it is usable, until the next picture, and the server's memory.

Pairs are made up, in shards of 1,000; nine of ten shards hold JPEGs of 256 x 384 px, the tenth those of 512 x 768 px,
as downloads are, so that some 5 GB of disk are enough. Times are wall times on loopback: in Chromium, where there is
one, from opening the address to the first picture and from a key to the next picture (which was fetched ahead); and of
pictures anywhere in the queue, each asked for once. ``start_cpu_s`` is the server's processor time until it answers.

    python -m bench.review [pairs]
"""

import hashlib
import http.client
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from bench import results
from bench.row_memory import COMPLEX_WORDS, SIMPLE_WORDS, words

ROOT = Path(__file__).parents[1]
PAIRS, SHARD_ROWS, PICTURES = 60_000, 1000, 8
ASKED, PRESSED = 200, 100
PARTS = Path("data/download/parts")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
PARAMS = "review: {require: true, policy: majority, unsure: drop, overlap: 0.1, reviewers: [], tie: true, seed: 0}\n"
WATCH = """
window.times = [];
let pressed = 0;
addEventListener("keydown", () => (pressed = performance.now()), true);
new MutationObserver(() => {
  const picture = document.querySelector("#work figure img");
  const since = pressed;
  if (picture && since) picture.decode().then(() => window.times.push(performance.now() - since));
  pressed = 0;
}).observe(document.getElementById("work"), { childList: true });
"""


def large(number: int) -> bool:
    """Whether a row's picture has a download's full size."""
    return number // SHARD_ROWS % 10 == 9


@cache
def picture(number: int, full: bool) -> bytes:
    """A made-up JPEG."""
    from bench.pictures import QUALITY
    from bench.pictures import picture as drawn

    stream = io.BytesIO()
    image = drawn(number)
    (image if full else image.resize((256, 384))).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


@cache
def sha256(number: int, full: bool) -> str:
    """Of its bytes."""
    return hashlib.sha256(picture(number, full)).hexdigest()


def row(number: int) -> dict[str, Any]:
    """What the queue and ``clean`` hold of a pair."""
    from pipeline.review.tasks import review_key

    image_sha256 = sha256(number % PICTURES, large(number))
    simple, complex_prompt = words(number, SIMPLE_WORDS), words(number, COMPLEX_WORDS)
    return {
        "sample_id": f"civitai:{number:09d}",
        "review_key": review_key(image_sha256, simple, complex_prompt),
        "rank": number * 7919 % PAIRS,
        "margin": number * 7919 % PAIRS / 1000,
        "source": "civitai",
        "page_url": f"https://civitai.com/images/{number}",
        "part": f"part-{number // SHARD_ROWS:05d}.parquet",
        "image_sha256": image_sha256,
        "simple_prompt": simple,
        "complex_prompt": complex_prompt,
        "group": f"civitai:{number - number % 7 if number % 5 == 0 else number:09d}",
        "nsfw_level": 4 if number % 40 == 0 else 1,
    }


def make(pairs: int) -> None:
    """Write what the page reads into the current folder."""
    import pyarrow as pa

    from pipeline import tables
    from pipeline.review.tasks import QUEUE
    from pipeline.review_page import command
    from pipeline.review_page.triplets import FACTS
    from pipeline.tables import IMAGE, column

    shown = tables.schema(column("sample_id", pa.string(), "the pair"), column("image", IMAGE, "its picture"))

    def pictures() -> Iterator[pa.Table]:
        for start in range(0, pairs, 100):
            numbers = range(start, min(start + 100, pairs))
            content = ({"bytes": picture(at % PICTURES, large(at)), "path": None} for at in numbers)
            rows = [{"sample_id": f"civitai:{at:09d}", "image": one} for at, one in zip(numbers, content, strict=True)]
            yield tables.from_rows(rows, shown)

    rows = [row(number) for number in range(pairs)]
    for path, shape in ((command.QUEUE, QUEUE), (command.CLEANED, FACTS)):
        tables.write(tables.from_rows(({name: one[name] for name in shape.names} for one in rows), shape), path, shape)
    tables.write_shards(pictures(), PARTS, shown, rows=SHARD_ROWS)
    Path("params.yaml").write_text(PARAMS)


def measure(folder: Path, pairs: int) -> dict[str, float]:
    """Start the page on the made pairs and look at it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SUR_WORK": str(folder / "work")}
    start = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "pipeline.review_page.command", "--reviewer", "Ann", "--no-browser", "--port", "0"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        used = psutil.Process(server.pid).cpu_times()
        figures = {"start_s": time.perf_counter() - start, "start_cpu_s": used.user + used.system}
        figures |= in_browser(address)
        figures |= by_requests(address, pairs)
        figures["server_peak_mb"] = peak_mb(server.pid)
    finally:
        server.terminate()
        server.communicate()
    return figures


def in_browser(address: str) -> dict[str, float]:
    """Until the first picture can be judged, and from a key to the next one; nothing where there is no Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        print("no Chromium on PATH: usable_s and next_ms are left out", file=sys.stderr)
        return {}
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*FLAGS])
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(address)
        page.get_by_role("button", name="Keep").wait_for()
        page.evaluate("document.querySelector('figure img').decode()")
        usable = time.perf_counter() - start
        page.wait_for_load_state("networkidle")
        page.evaluate(WATCH)
        for number in range(PRESSED):
            page.keyboard.press("k")
            expect(page.locator("#counts")).to_have_text(re.compile(f"^{number + 1} done"))
        times = page.evaluate("window.times")
        browser.close()
    return {"usable_s": usable, "next_ms": median(times), "next_slowest_ms": max(times)}


def by_requests(address: str, pairs: int) -> dict[str, float]:
    """Milliseconds for items and for pictures from anywhere in the queue, none asked for before."""
    host, _, query = address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    cookie = _ask(connection, f"/{query}", {})[1].split(";")[0]
    held: dict[bool, list[float]] = {False: [], True: []}
    asked: list[float] = []
    generator = random.Random(0)
    least = {False: ASKED, True: ASKED // 4 if pairs > 9 * SHARD_ROWS else 0}
    while any(len(held[full]) < wanted for full, wanted in least.items()):
        place = f"/api/items?filter=all&order=margin&start={generator.randrange(pairs - 100)}&count=40"
        took, _, content = _timed(connection, place, cookie)
        asked.append(took)
        for item in json.loads(content)["items"][:8]:
            took, _, content = _timed(connection, item["pictures"][0], cookie)
            held[len(content) > 100_000].append(took)
    connection.close()
    figures = {"items_ms": median(asked), "picture_ms": median(held[False])}
    if held[True]:
        figures |= {"large_picture_ms": median(held[True]), "large_picture_kb": len(picture(0, True)) / 1000}
    return figures


def _timed(connection: http.client.HTTPConnection, place: str, cookie: str) -> tuple[float, str, bytes]:
    start = time.perf_counter()
    found = _ask(connection, place, {"Cookie": cookie})
    return 1000 * (time.perf_counter() - start), found[1], found[2]


def _ask(connection: http.client.HTTPConnection, place: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
    connection.request("GET", place, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Set-Cookie", ""), answer.read()


def peak_mb(process: int) -> float:
    """The most memory that a process held, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1000


def main(pairs: int) -> None:
    """Make the pairs, measure, keep the figures."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run([sys.executable, "-m", "bench.review", "--make", str(pairs), name], cwd=ROOT, check=True)
        figures = {"pairs": float(pairs), **measure(Path(name), pairs)}
    for figure, value in figures.items():
        print(f"{figure:18} {value:10.2f}")
    if pairs == PAIRS:
        results.save("review", figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        os.chdir(sys.argv[3])
        make(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS)

"""Downloading: 16 connections against one from a server that takes 50 ms a request, and a fast host beside a slow one.

Both sides run in turn in one process against a server on loopback; figures are medians of three rounds. Each side asks
for the same pictures and starts with an empty work store. Rates are set so high that only connections limit.
"""

import io
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from threading import Thread
from typing import Any

from PIL import Image

from bench import results
from pipeline import fetching
from pipeline.http import Access, Limits, PoliteSession
from pipeline.lanes import as_they_come
from pipeline.picture_store import PictureStore

PICTURES, SLOW_PICTURES, ROUNDS = 160, 8, 3
ADDED_S, SLOW_S = 0.05, 1.0
FAST, SLOW = "fast.example", "slow.example"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    picture = b""

    def do_GET(self) -> None:
        is_picture = self.path != "/robots.txt"
        if is_picture:
            time.sleep(SLOW_S if self.headers["Host"] == SLOW else ADDED_S)
        self.send_response(200 if is_picture else 404)
        self.send_header("Content-Length", str(len(self.picture)))
        self.end_headers()
        self.wfile.write(self.picture)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def served() -> Iterator[PoliteSession]:
    """A client of both hosts, which are one server on loopback."""
    stream = io.BytesIO()
    Image.effect_noise((256, 256), 80).save(stream, "JPEG")
    _Handler.picture = stream.getvalue()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        hosts = dict.fromkeys((FAST, SLOW), f"127.0.0.1:{server.server_port}")
        limits = Limits(requests_per_s=10_000.0, attempts=1, timeout_s=30.0, max_bytes=10**7)
        with PoliteSession(limits, Access(hosts=tuple(hosts), host_map=hosts)) as session:
            yield session
        server.shutdown()


def addresses(host: str, count: int) -> list[str]:
    """Addresses of pictures on one host."""
    return [f"https://{host}/{number}" for number in range(count)]


def download_s(session: PoliteSession, urls: list[str], workers: int) -> float:
    """Seconds to get all pictures into an empty work store."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SUR_WORK"] = folder
        store = PictureStore(10.0)
        started = time.perf_counter()
        fetching.fetch_missing(urls, store, session.get, workers=workers)
        took = time.perf_counter() - started
        assert not store.to_ask(urls)
    return took


def fast_host_s(session: PoliteSession, urls: list[str], workers: int) -> float:
    """Seconds until the last picture of the fast host is there."""
    started, last = time.perf_counter(), 0.0
    for url in as_they_come(urls, lambda url: session.get(url).url, workers=workers):
        if url.startswith(f"https://{FAST}/"):
            last = time.perf_counter() - started
    return last


def main() -> None:
    """Measure and print."""
    fast, slow = addresses(FAST, PICTURES), addresses(SLOW, SLOW_PICTURES)
    with served() as session:
        pairs = [(download_s(session, fast, 1), download_s(session, fast, 16)) for _ in range(ROUNDS)]
        one, sixteen = (median(side) for side in zip(*pairs, strict=True))
        print(f"{PICTURES} pictures, {ADDED_S * 1000:.0f} ms a request: one connection {one:.2f} s, ", end="")
        print(f"16 connections {sixteen:.2f} s, ratio {one / sixteen:.1f}")
        pairs = [(fast_host_s(session, fast, 4), fast_host_s(session, slow + fast, 4)) for _ in range(ROUNDS)]
        alone, beside = (median(side) for side in zip(*pairs, strict=True))
        print(
            f"the same, 4 connections: alone {alone:.2f} s, beside a host that takes {SLOW_S:.0f} s a request ", end=""
        )
        print(f"{beside:.2f} s, ratio {beside / alone:.2f}")
    results.save(
        "downloads",
        {
            "one_connection_pictures_a_s": PICTURES / one,
            "sixteen_connections_pictures_a_s": PICTURES / sixteen,
            "sixteen_against_one": one / sixteen,
            "fast_host_beside_slow_one": beside / alone,
        },
    )


if __name__ == "__main__":
    main()

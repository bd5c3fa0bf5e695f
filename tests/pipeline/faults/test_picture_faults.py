"""Each fault of a picture host against the whole download: nothing lost or endless, nothing stored but pictures."""

import gzip
import json
import socket
import time

import pytest

from pipeline import tables
from pipeline.downloading import DOWNLOADS, FAILURES, DownloadParams, picture_format
from pipeline.images import UndecodableError, decode
from pipeline.picture_store import LEDGER
from pipeline.sources.record import RECORDS
from stages.download import download
from tests.pipeline.fake_clock import FakeTime
from tests.pipeline.faults.pictures import pixel_bomb, png
from tests.pipeline.faults.script import HOSTS, SITE, Site, client, cut, drip, hang_up, reply, reset, served
from tests.pipeline.made_records import record

GOOD = reply(body=png("green"), Content_Type="image/png")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
MAX_BYTES = 100_000
LIMITS = {"attempts": 2, "timeout_s": 0.5, "max_bytes": MAX_BYTES}
CONFIG = DownloadParams(timeout_s=0.5, attempts=2, max_mb=0.1, requests_per_s=1000.0, min_success_share=0.0)


def raw(content):
    def send(handler):
        handler.wfile.write(content)
        handler.close_connection = True

    return send


def endless(handler):
    handler.wfile.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(10_000):
            handler.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")
    except OSError:
        pass
    handler.close_connection = True


def leading_to(target):
    return reply(302, body=b"", Location=target)


def page(text, **headers):
    return reply(body=text.encode(), **{"Content_Type": "text/html", **headers})


# name: what the host answers in turn, and what the ledger says then: status, code, reason
FAULTS = {
    "429 with Retry-After": ([reply(429, Retry_After=5), GOOD], ("came", 200, None)),
    "429 with a Retry-After of years": ([reply(429, Retry_After=10**9), GOOD], ("came", 200, None)),
    "429 for ever": ([reply(429, Retry_After=1)], ("failed", 429, "http_429")),
    "503 once": ([reply(503), GOOD], ("came", 200, None)),
    "503 for ever": ([reply(503)], ("failed", 503, "http_503")),
    "reset once": ([reset, GOOD], ("came", 200, None)),
    "reset for ever": ([reset], ("failed", None, "connection_failed")),
    "closed without a word": ([hang_up], ("failed", None, "connection_failed")),
    "body cut once": ([cut, GOOD], ("came", 200, None)),
    "body cut for ever": ([cut], ("failed", None, "broken_off")),
    "dripping body": ([drip(HEAD + b"Content-Length: 9999\r\n\r\n")], ("failed", None, "timed_out")),
    "dripping header": ([drip(HEAD + b"X-Long: ")], ("failed", None, "timed_out")),
    "dripping gzip head": (
        [drip(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n\x1f\x8b\x08\x08" + bytes(6), b"n")],
        ("failed", None, "timed_out"),
    ),
    "gzip bomb": (
        [reply(body=gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")],
        ("final", None, "too_large"),
    ),
    "endless body": ([endless], ("final", None, "too_large")),
    "no gzip at all": ([reply(body=b"plain", Content_Encoding="gzip")], ("failed", None, "broken_off")),
    "chunks of nonsense": ([raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n")], ("failed", None, "broken_off")),
    "no HTTP": ([raw(b"SSH-2.0-OpenSSH_9.6\r\n")], ("failed", None, "connection_failed")),
    "a thousand headers": ([raw(HEAD + b"X: 1\r\n" * 1000 + b"\r\n")], ("failed", None, "connection_failed")),
    "a header line of a megabyte": ([raw(HEAD + b"X: " + b"1" * 10**6)], ("failed", None, "connection_failed")),
    "HTML with status 200": ([page("<html>This picture has moved.</html>")], ("failed", 200, "no_image")),
    "JSON as a picture": ([reply(body=b'{"error": 1}', Content_Type="image/png")], ("failed", 200, "no_image")),
    "a video": ([reply(body=b"\0\0\0\x18ftypmp42" + bytes(99))], ("failed", 200, "no_image")),
    "an SVG": ([reply(body=b"<svg xmlns='x'/>", Content_Type="image/svg+xml")], ("failed", 200, "no_image")),
    "an empty body": ([reply(body=b"")], ("failed", 200, "no_image")),
    "no content": ([reply(204, body=b"")], ("failed", 204, "no_image")),
    "a picture of the wrong MIME type": ([reply(body=png("red"), Content_Type="text/html")], ("came", 200, None)),
    "pixel bomb": ([reply(body=pixel_bomb(), Content_Type="image/png")], ("came", 200, None)),
    "redirect to another host": ([leading_to("https://elsewhere.example/a.png")], ("final", None, "host_not_allowed")),
    "redirect to a private address": ([leading_to("https://169.254.169.254/")], ("final", None, "host_not_allowed")),
    "redirect to a private name": ([leading_to("https://inside.example/")], ("failed", None, "private_address")),
    "redirect to plain http": ([leading_to("http://other.example/a.png")], ("final", None, "not_https")),
    "redirect loop": ([leading_to("/x")], ("failed", None, "too_many_redirects")),
    "redirect to nonsense": ([leading_to("https://[")], ("failed", None, "bad_redirect")),
    "noai": ([reply(body=png("red"), X_Robots_Tag="noai")], ("final", 200, "noai")),
    "noimageai among others": ([reply(body=png("red"), X_Robots_Tag="index, noimageai")], ("final", 200, "noai")),
    "not found": ([reply(404)], ("final", 404, "not_found")),
    "refused": ([reply(403)], ("final", 403, "refused")),
    "challenge": ([page("<html><title>Just a moment...</title>")], ("failed", 200, "challenge")),
}  # fmt: skip


@pytest.fixture
def site(monkeypatch):
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **options: look_up("10.0.0.7" if host == "inside.example" else host, *rest, **options),
    )
    with served(Site()) as script:
        script.on("/good", GOOD)
        script.answers["/good2"] = [GOOD]
        yield script


def run(site, tmp_path, fake, *, urls):
    rows = [record(str(number), image_url=url) for number, url in enumerate(urls)]
    tables.write(tables.from_rows(rows, RECORDS), tmp_path / "records.parquet", RECORDS)
    with client(site, fake=fake, hosts=(*HOSTS, "inside.example"), **LIMITS) as session:
        download([tmp_path / "records.parquet"], tmp_path / "out", CONFIG, side_px=8, get=session.get, workers=2)
    ledger = tables.read(tmp_path / "out/ledger.parquet", LEDGER).to_pylist()
    return {row["url"]: (row["status"], row["code"], row["reason"]) for row in ledger}


# The faulty address and the good ones are on different hosts: a challenge stops the host that gives it.
URLS = (f"{SITE}/x", "https://other.example/good", "https://other.example/good2")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_picture_host_is_survived(site, tmp_path, name):
    answers, expected = FAULTS[name]
    site.on("/x", *answers)
    fake, start = FakeTime(), time.monotonic()
    found = run(site, tmp_path, fake, urls=URLS)
    assert time.monotonic() - start < 20.0
    assert sum(fake.slept) < 250.0  # capped Retry-After and back-off of two attempts
    assert len(site.asked) < 12
    assert found == {URLS[0]: expected, URLS[1]: ("came", 200, None), URLS[2]: ("came", 200, None)}
    came = tables.read_shards(tmp_path / "out/parts", DOWNLOADS).to_pylist()
    assert all(picture_format(row["image"]["bytes"]) for row in came)
    failed = tables.read(tmp_path / "out/failures.parquet", FAILURES).num_rows
    assert len(came) + failed == len(URLS) == json.loads((tmp_path / "out/report.json").read_text())["in"]


def test_what_robots_txt_disallows_is_a_failure_of_its_own(site, tmp_path):
    site.on("/robots.txt", reply(body=b"User-agent: *\nDisallow: /x\n"))
    assert run(site, tmp_path, FakeTime(), urls=URLS)[URLS[0]] == ("final", None, "robots_disallowed")
    assert "/x" not in site.asked


def test_a_pixel_bomb_is_never_unpacked():
    with pytest.raises(UndecodableError, match="too_many_pixels"):
        decode(pixel_bomb())


def test_a_second_run_asks_only_for_what_may_come_now(site, tmp_path):
    urls = []
    for number, (name, (answers, _)) in enumerate(FAULTS.items()):
        if name not in ("challenge", "refused"):  # they stop the host
            site.on(f"/{number}", *answers[-1:])
            urls.append(f"{SITE}/{number}")
    first = run(site, tmp_path, FakeTime(), urls=urls)
    site.asked.clear()
    second = run(site, tmp_path, FakeTime(), urls=urls)
    asked = {f"{SITE}{path}" for path in site.asked}
    assert asked == {url for url, (status, _, _) in first.items() if status == "failed"}
    assert second == first


def test_pictures_that_were_lost_to_a_passing_fault_come_with_the_next_run(site, tmp_path):
    site.on("/x", reply(503))
    assert run(site, tmp_path, FakeTime(), urls=URLS)[URLS[0]] == ("failed", 503, "http_503")
    site.on("/x", GOOD)
    assert run(site, tmp_path, FakeTime(), urls=URLS)[URLS[0]] == ("came", 200, None)
    assert tables.read(tmp_path / "out/failures.parquet", FAILURES).num_rows == 0

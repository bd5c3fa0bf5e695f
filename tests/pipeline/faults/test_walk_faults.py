"""Each fault of a site's records against the whole scrape stage: no walk without end, no record lost or made up."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import params, tables
from pipeline.errors import EmptyResultError, SourceError
from pipeline.http import Access, FetchError, Limits, PoliteSession
from pipeline.sources.record import RECORDS
from pipeline.sources.settings import SourcesParams
from stages import scrape
from tests.pipeline.fake_clock import FakeTime
from tests.pipeline.faults.script import Site, cut, drip, hang_up, reply, reset, served

ROOT = Path(__file__).parents[3]
HOSTS = ("civitai.com", "lexica.art", "stablediffusionweb.com")
PICTURE = "https://image.civitai.com/b/u/original=true/u.jpeg"


class Pages(Site):
    """Civitai's API: pages by cursor, each a list of answers in turn; the first page has the cursor ""."""

    def __init__(self):
        super().__init__()
        self.pages = {}

    def __call__(self, handler):
        path, _, query = handler.path.partition("?")
        if path == "/api/v1/images":
            cursor = query.partition("&cursor=")[2]
            self.answers[handler.path] = self.pages[cursor]
        super().__call__(handler)


def item(number, prompt="a star", **changes):
    return {"id": number, "url": PICTURE, "type": "image", "meta": {"prompt": prompt}, "browsingLevel": 1, **changes}


def page(*items, cursor=None):
    return reply(body=json.dumps({"items": items, "metadata": {"nextCursor": cursor}}).encode())


@pytest.fixture
def site():
    with served(Pages()) as script:
        yield script


@pytest.fixture
def config():
    return params.load(SourcesParams, "sources", ROOT / "params.yaml")


@contextmanager
def client(site, **limits):
    limits = {"requests_per_s": 1000.0, "attempts": 2, "timeout_s": 0.5, "max_bytes": 100_000, **limits}
    access = Access(hosts=HOSTS, documented=("https://civitai.com/api/v1/",), host_map=dict.fromkeys(HOSTS, site.place))
    with PoliteSession(Limits(**limits), access, pace=FakeTime().pace()) as session:
        yield session


def run(site, config, target, name="civitai"):
    with client(site) as session:
        scrape.scrape(name, config, target, get=session.get, post=session.post)
    records = tables.read(target / "records.parquet", RECORDS).to_pylist()
    return records, json.loads((target / "report.json").read_text())


def test_a_cursor_that_comes_again_ends_the_walk(site, config, tmp_path):
    site.pages = {"": [page(item(1), cursor="a")], "a": [page(item(2), cursor="b")], "b": [page(item(3), cursor="a")]}
    records, report = run(site, config, tmp_path)
    assert ([row["source_id"] for row in records], report["ended"]) == (["1", "2", "3"], "cursor_repeated")
    assert len(site.asked) == 3


def test_a_page_that_comes_again_under_new_cursors_ends_the_walk(site, config, tmp_path):
    site.pages = {"": [page(item(1), cursor="0")]} | {
        str(step): [page(item(1), cursor=str(step + 1))] for step in range(50)
    }
    records, report = run(site, config, tmp_path)
    assert (len(records), report["ended"], len(site.asked)) == (1, "page_without_new_records", 2)


def test_items_that_come_twice_are_one_record(site, config, tmp_path):
    site.pages = {"": [page(item(1), item(2), cursor="a")], "a": [page(item(2), item(3))]}
    assert [row["source_id"] for row in run(site, config, tmp_path)[0]] == ["1", "2", "3"]


# name: what an item says, and the reason for which it is no record
REJECTED = {
    "video": (item(2, type="video"), "video"),
    "audio": (item(2, type="audio"), "no_picture"),
    "meta null": (item(2, meta=None), "no_prompt"),
    "meta a list": (item(2, meta=[]), "no_prompt"),
    "prompt of white space": (item(2, " \n\t "), "no_prompt"),
    "prompt of nothing but tags": (item(2, "<lora:x:1>"), "no_prompt"),
    "prompt a number": (item(2, 7), "no_prompt"),
    "address over plain http": (item(2, url="http://image.civitai.com/1"), "no_image_url"),
    "address nonsense": (item(2, url="https://["), "no_image_url"),
    "no id": (item(None), "malformed"),
    "id with a path in it": (item("../../etc"), "malformed"),
    "no object": ("text", "malformed"),
    "null": (None, "malformed"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_an_item_that_is_no_record_is_rejected_with_its_reason(site, config, tmp_path, name):
    wrong, reason = REJECTED[name]
    site.pages = {"": [page(item(1), wrong, item(3))]}
    records, report = run(site, config, tmp_path)
    assert [row["source_id"] for row in records] == ["1", "3"]
    assert report["dropped"] == {reason: 1}
    dropped = tables.read(tmp_path / "dropped.parquet", tables.DROPPED).to_pylist()
    assert [row["drop_reason"] for row in dropped] == [reason]


# name: what an item says, and what its record must hold
KEPT = {
    "newlines": (item(1, "a star,\nblue\r\nsky"), {"prompt": "a star,\nblue\r\nsky"}),
    "emoji": (item(1, "a ⭐ and a 👩‍🚀"), {"prompt": "a ⭐ and a 👩‍🚀", "complex_prompt": "a ⭐ and a 👩‍🚀"}),
    "half an emoji": (item(1, "a star \ud83d"), {"prompt": "a star ?"}),
    "meta nested": (item(1, meta={"id": 1, "meta": {"prompt": "nested"}}), {"prompt": "nested"}),
    "seed above 32 bits": (item(1, meta={"prompt": "x", "seed": 21_364_683_354}), {"seed": 21_364_683_354}),
    "seed as text": (item(1, meta={"prompt": "x", "seed": "9007199254740993"}), {"seed": 2**53 + 1}),
    "seed above 64 bits": (item(1, meta={"prompt": "x", "seed": 2**64}), {"seed": None}),
    "a prompt of 100 kB": (item(1, "star " * 10_000), {"prompt": "star " * 10_000}),
    "a model that is an object": (item(1, meta={"prompt": "x", "Model": {"name": "m"}}), {"model": "m"}),
    "settings of other types": (
        item(1, width="x", height=None, meta={"prompt": "x", "cfgScale": "nan", "steps": {}}),
        {"width": None, "cfg": None, "steps": None},
    ),
    "HTML in a prompt": (item(1, "<b>star</b> & more"), {"prompt": "<b>star</b> & more"}),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_an_odd_item_becomes_the_record_that_it_says(site, config, tmp_path, name):
    odd, expected = KEPT[name]
    site.pages = {"": [page(odd)]}
    ((record,), _) = run(site, config, tmp_path)
    assert {key: record[key] for key in expected} == expected


# Faults that pass: the walk gives what it would have given without them.
PASSING = {
    "429 with Retry-After": reply(429, Retry_After=30),
    "503": reply(503, body=b'{"error":"Server busy"}', Retry_After=2),
    "524 of a cache": reply(524),
    "reset": reset,
    "closed": hang_up,
    "cut": cut,
    "dripping head": drip(b"HTTP/1.1 200 OK\r\nX: "),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_costs_no_record(site, config, tmp_path, name):
    site.pages = {"": [page(item(1), cursor="a")], "a": [PASSING[name], page(item(2))]}
    records, report = run(site, config, tmp_path)
    assert ([row["source_id"] for row in records], report["ended"]) == (["1", "2"], "last_page")


# Faults that stay: one line that says so, and the next run asks for nothing that came before.
STAYING = {
    "HTML with status 200": (reply(body=b"<html>Down for maintenance</html>"), "did not answer with JSON"),
    "half of a JSON text": (reply(body=b'{"items": [{"id":'), "did not answer with JSON"),
    "another format": (reply(body=b'{"images": []}'), "the site's format has changed"),
    "a list": (reply(body=b"[]"), "the site's format has changed"),
    "500 for ever": (reply(500), "answered with status 500 after 2 attempts"),
    "refused": (reply(403), "refuses access; this is not bypassed"),
    "challenge": (reply(403, cf_mitigated="challenge"), "challenge for people; this is not bypassed"),
    "too large": (reply(body=bytes(200_000)), "sent more bytes than are allowed"),
    "redirect loop": (reply(302, body=b"", Location="https://lexica.art/loop"), "redirects without end"),
    "redirect elsewhere": (reply(302, body=b"", Location="https://x.example/"), "is not a host of this source"),
}


@pytest.mark.parametrize("name", STAYING)
def test_a_staying_fault_is_one_line_and_what_came_is_kept(site, config, tmp_path, name):
    answer, told = STAYING[name]
    site.pages = {"": [page(item(1), cursor="a")], "a": [answer]}
    site.on("/loop", reply(302, body=b"", Location="/loop"))
    with pytest.raises(SourceError, match=told) as caught:
        run(site, config, tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "records.parquet").exists()
    site.asked.clear()
    site.pages["a"] = [page(item(2))]
    records, _ = run(site, config, tmp_path)
    assert [row["source_id"] for row in records] == ["1", "2"]
    assert len(site.asked) == 1


def test_a_site_without_one_record_is_told_and_nothing_is_written(site, config, tmp_path):
    site.pages = {"": [page()]}
    with pytest.raises(EmptyResultError, match=r"sources\.civitai"):
        run(site, config, tmp_path)
    assert list(tmp_path.glob("*.parquet")) == []


def test_listings_that_link_in_a_circle_are_read_once(site, config, tmp_path):
    starts = {"start_urls": ("https://stablediffusionweb.com/prompts/a",)}
    own = config.stable_diffusion_online.model_copy(update=starts)
    config = config.model_copy(update={"stable_diffusion_online": own})
    for here, there in ("ab", "ba"):
        listing = f"<a href='/image/1-x'>x</a><a rel='next' href='/prompts/{there}'>Next</a>"
        site.on(f"/prompts/{here}", reply(body=listing.encode(), Content_Type="text/html"))
    picture = "https://imgcdn.stablediffusionweb.com/2024/1/1/a.jpg"
    site.on("/image/1-x", reply(body=f"<p>Prompt: a star</p><img src='{picture}'>".encode()))
    records, report = run(site, config, tmp_path, "stable_diffusion_online")
    assert (len(records), report["ended"]) == (1, "all_pages_read")
    assert site.counts() == {"/prompts/a": 1, "/prompts/b": 1, "/image/1-x": 1}


def test_contact_sheets_of_lexica_are_no_records(site, config, tmp_path):
    config = config.model_copy(update={"lexica": config.lexica.model_copy(update={"queries": ("star",)})})
    image = {"id": "1", "src": "https://image.lexica.art/1", "prompt": "a star", "seed": "4294967296"}
    body = json.dumps({"images": [image, {**image, "id": "2", "grid": True}]}).encode()
    site.on("/api/v1/search?q=star", reply(body=body))
    records, report = run(site, config, tmp_path, "lexica")
    assert [row["seed"] for row in records] == [2**32]
    assert report["dropped"] == {"grid": 1}


def test_a_page_that_is_gone_is_answered_from_the_archive_too(site):
    """A killed walk and --offline see the same 404 as the walk that asked."""
    with client(site) as session, pytest.raises(KeyboardInterrupt):
        _interrupted(session)
    site.asked.clear()
    with client(site) as session, scrape.walking("stable_diffusion_online", {}, session.get) as fetch:
        for _ in range(2):
            with pytest.raises(FetchError, match="has no such page"):
                fetch("https://stablediffusionweb.com/image/9-gone")
    assert site.asked == []


def _interrupted(session):
    with scrape.walking("stable_diffusion_online", {}, session.get) as fetch:
        with pytest.raises(FetchError):
            fetch("https://stablediffusionweb.com/image/9-gone")
        raise KeyboardInterrupt

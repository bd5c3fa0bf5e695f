import gzip
import json

import pytest

from pipeline import work
from pipeline.errors import SourceError
from pipeline.http import FetchError, Response
from pipeline.sources.archive import Archived, walking


class Site:
    def __init__(self):
        self.asked = []

    def __call__(self, url):
        self.asked.append(url)
        return Response(url, 200, {"content-type": "text/plain"}, f"page {len(self.asked)} ü".encode(), 1)


def test_a_killed_walk_goes_on_without_asking_again():
    site = Site()
    with pytest.raises(KeyboardInterrupt), walking("lexica", {"q": 1}, site) as fetch:
        first = fetch("https://a/1")
        raise KeyboardInterrupt
    with walking("lexica", {"q": 1}, site) as fetch:
        assert fetch("https://a/1") == first == "page 1 ü"
        fetch("https://a/2")
    assert site.asked == ["https://a/1", "https://a/2"]


def test_a_finished_walk_is_walked_anew():
    site = Site()
    for _ in range(3):
        with walking("lexica", {"q": 1}, site) as fetch:
            fetch("https://a/1")
    assert len(site.asked) == 3


def test_other_settings_are_another_walk():
    site = Site()
    for settings in ({"q": 1}, {"q": 2}):
        with pytest.raises(KeyboardInterrupt), walking("lexica", settings, site) as fetch:
            fetch("https://a/1")
            raise KeyboardInterrupt
    assert len(site.asked) == 2


def test_raw_answers_are_kept_as_they_came():
    with walking("civitai", {}, Site()) as fetch:
        fetch("https://a/1")
    (path,) = (work.root() / "scrape" / "civitai").glob("*/last/*.json.gz")
    kept = json.loads(gzip.decompress(path.read_bytes()))
    assert (kept["url"], kept["status"], kept["body"]) == ("https://a/1", 200, "page 1 ü")


def test_a_walk_that_asked_nothing_leaves_nothing():
    with walking("civitai", {}, Site()):
        pass
    assert not list((work.root() / "scrape" / "civitai").glob("*/last"))


def test_an_answer_that_made_no_sense_is_asked_for_again():
    site = Site()
    with pytest.raises(SourceError), walking("lexica", {}, site) as fetch:
        fetch("https://a/1")
        fetch("https://a/2")
        raise SourceError("https://a/2 did not answer with JSON")
    with walking("lexica", {}, site) as fetch:
        fetch("https://a/1")
        fetch("https://a/2")
    assert site.asked == ["https://a/1", "https://a/2", "https://a/2"]


def test_a_site_that_refuses_leaves_its_earlier_answers():
    site = Site()
    with pytest.raises(FetchError), walking("lexica", {}, site) as fetch:
        fetch("https://a/1")
        raise FetchError("https://a/2", "http_503", attempts=4)
    with walking("lexica", {}, site) as fetch:
        fetch("https://a/1")
    assert site.asked == ["https://a/1"]


def _walked(site, *urls, settings=None):
    with walking("lexica", settings or {}, site) as fetch:
        return [fetch(url) for url in urls]


def test_offline_every_answer_comes_from_the_archive_and_the_newest_counts(monkeypatch):
    first = _walked(Site(), "https://a/1", "https://a/2", settings={"q": 1})
    site = Site()
    site.asked = ["one before"]
    (second,) = _walked(site, "https://a/1", settings={"q": 2})
    for path in (work.root() / "scrape" / "lexica").glob("*/last/*"):
        kept = json.loads(gzip.decompress(path.read_bytes()))
        kept["fetched_at"] = "2024-02-01" if kept["body"] == second else "2024-01-01"
        path.write_bytes(gzip.compress(json.dumps(kept).encode()))
    fetch = Archived("lexica")
    assert [fetch("https://a/1"), fetch("https://a/2")] == [second, first[1]]
    assert second != first[0]


def test_offline_an_unfinished_walk_counts_too():
    with pytest.raises(KeyboardInterrupt), walking("lexica", {}, Site()) as fetch:
        fetch("https://a/1")
        raise KeyboardInterrupt
    assert Archived("lexica")("https://a/1").startswith("page 1")


def test_offline_an_answer_that_was_never_had_is_told_in_one_line():
    with pytest.raises(SourceError, match=r"https://a/1 is not in the archive of lexica .*without --offline") as caught:
        Archived("lexica")("https://a/1")
    assert not isinstance(caught.value, FetchError)


def test_a_missing_page_is_an_answer_and_kept():
    asked = []

    def gone(url):
        asked.append(url)
        raise FetchError(url, "not_found", status=404, attempts=2)

    with walking("lexica", {}, gone) as fetch:
        for _ in range(2):
            with pytest.raises(FetchError, match="has no such page"):
                fetch("https://a/1")
    with pytest.raises(FetchError) as caught:
        Archived("lexica")("https://a/1")
    assert (caught.value.status, caught.value.attempts, asked) == (404, 2, ["https://a/1"])


def test_a_page_that_robots_txt_forbids_is_an_answer_and_kept():
    def forbidden(url):
        raise FetchError(url, "robots_disallowed", attempts=0)

    with walking("lexica", {}, forbidden) as fetch, pytest.raises(FetchError):
        fetch("https://a/1")
    with pytest.raises(FetchError, match="does not allow this address"):
        Archived("lexica")("https://a/1")


def test_a_refused_page_is_asked_for_again_a_refused_robots_txt_is_an_answer():
    asked = []

    def refused(url):
        asked.append(url)
        raise FetchError(url, "refused", status=403, attempts=1)

    with walking("lexica", {}, refused) as fetch:
        for url in 2 * ["https://a/1", "https://a/robots.txt"]:
            with pytest.raises(FetchError, match="refuses access"):
                fetch(url)
    assert asked == ["https://a/1", "https://a/robots.txt", "https://a/1"]


def test_what_is_posted_is_part_of_the_question():
    asked = []

    def post(url, value):
        asked.append(value["cursor"])
        return Response(url, 200, {}, f"page {value['cursor']}".encode(), 1)

    with walking("lexica", {}, Site(), post) as fetch:
        texts = [fetch.post("https://a/p", {"cursor": cursor}) for cursor in (0, 50, 0)]
    assert (texts, asked) == (["page 0", "page 50", "page 0"], [0, 50])
    assert Archived("lexica").post("https://a/p", {"cursor": 50}) == "page 50"


def test_a_walk_without_a_way_to_post_cannot():
    with pytest.raises(ValueError, match="without a way to post"), walking("lexica", {}, Site()) as fetch:
        fetch.post("https://a/p", {})


def test_the_archive_asks_nobody():
    with pytest.raises(AssertionError, match="offline, but"):
        Archived("lexica")._get("https://a/1")

import gzip
import json

import pytest

from pipeline import work
from pipeline.errors import SourceError
from pipeline.http import FetchError, Response
from pipeline.sources.archive import walking


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

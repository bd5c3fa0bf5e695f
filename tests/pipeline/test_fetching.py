import pytest

from pipeline import fetching
from pipeline.fetching import fetch_missing
from pipeline.http import FetchError, Response
from pipeline.picture_store import PictureStore
from tests.pipeline.faults.pictures import png

PNG = png("red")


class Host:
    def __init__(self, answers, **headers):
        self.answers, self.headers, self.asked = answers, headers, []

    def __call__(self, url):
        self.asked.append(url)
        answer = self.answers[url]
        if isinstance(answer, BaseException):
            raise answer
        return Response(url, 200, self.headers, answer, 1)


def test_finished_pictures_are_not_asked_for_again():
    urls = ["https://a/1", "https://a/2"]
    host = Host({"https://a/1": PNG, "https://a/2": FetchError("https://a/2", "http_503", status=503, attempts=4)})
    store = PictureStore(20.0)
    assert fetch_missing(urls, store, host, workers=2) == 2
    (failure,) = store.failures(urls).values()
    assert (failure.reason, failure.status, failure.attempts) == ("http_503", 503, 4)
    host.answers["https://a/2"] = PNG
    again = PictureStore(20.0)
    assert fetch_missing(urls, again, host, workers=2) == 1
    assert again.failures(urls) == {}
    assert sorted(host.asked) == ["https://a/1", "https://a/2", "https://a/2"]


def test_what_is_gone_is_asked_for_again_only_on_demand():
    host = Host({"https://a/1": FetchError("https://a/1", "not_found", status=404, attempts=1)})
    store = PictureStore(20.0)
    counts = [fetch_missing(["https://a/1"], store, host, workers=1, final=final) for final in (False, False, True)]
    assert counts == [1, 0, 1]


def test_an_interrupt_costs_nothing_that_came():
    urls = [f"https://a/{number:03d}" for number in range(fetching.HELD + 3)]
    host = Host(dict.fromkeys(urls, PNG))
    host.answers[urls[-1]] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        fetch_missing(urls, PictureStore(20.0), host, workers=1)
    assert PictureStore(20.0).to_ask(urls) == urls[-1:]


@pytest.mark.parametrize(("limit", "value"), [("HELD", 2), ("HELD_BYTES", len(PNG)), ("HELD_S", 0.0)])
def test_a_kill_costs_a_few_pictures_bytes_or_seconds(monkeypatch, limit, value):
    """Chunks in the store are what a kill cannot take."""
    monkeypatch.setattr(fetching, limit, value)
    urls = [f"https://a/{number}" for number in range(4)]
    store = PictureStore(20.0)
    fetch_missing(urls, store, Host(dict.fromkeys(urls, PNG)), workers=1)
    assert len(list(store._rows.folder.glob("chunk-*"))) == (2 if limit == "HELD" else 4)


def test_html_with_status_200_is_a_failure_and_not_stored():
    store = PictureStore(20.0)
    fetch_missing(["https://a/1"], store, Host({"https://a/1": b"<html>moved</html>"}), workers=1)
    assert store.failures(["https://a/1"])["https://a/1"].reason == "no_image"
    assert store.to_ask(["https://a/1"]) == ["https://a/1"]


def test_a_picture_that_must_not_be_trained_on_is_not_stored():
    store = PictureStore(20.0)
    host = Host({"https://a/1": PNG}, **{"x-robots-tag": "noimageai"})
    fetch_missing(["https://a/1"], store, host, workers=1)
    assert store.failures(["https://a/1"])["https://a/1"].reason == "noai"
    assert store.to_ask(["https://a/1"]) == []

import io

import pytest
from PIL import Image

from pipeline import downloading, tables
from pipeline.downloading import DOWNLOADS, FAILURES, DownloadParams, picture_format
from pipeline.http import FetchError, Response
from pipeline.sources.record import RECORDS
from tests.pipeline.made_records import record


def _picture(kind, **options):
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, kind, **options)
    return stream.getvalue()


CONFIG = DownloadParams.model_construct(max_mb=20.0)


class Host:
    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def __call__(self, url):
        self.asked.append(url)
        answer = self.answers[url]
        if isinstance(answer, BaseException):
            raise answer
        return Response(url, 200, {}, answer, 1)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "webp", "avif"])
def test_the_format_is_told_by_the_bytes(kind):
    assert picture_format(_picture(kind.upper())) == kind


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html>", b"RIFF0000WAVE", b"0000ftypmp42", b"\x00" * 20, b'{"error": 1}']
)
def test_what_is_no_picture_has_no_format(content):
    assert picture_format(content) is None


def test_finished_pictures_are_not_asked_for_again():
    png = _picture("PNG")
    host = Host({"https://a/1": png, "https://a/2": FetchError("https://a/2", "http_503", status=503, attempts=4)})
    first = downloading.fetch_missing(["https://a/1", "https://a/2"], downloading.open_store(CONFIG), host, workers=2)
    assert [(failure.reason, failure.status, failure.attempts) for failure in first.values()] == [("http_503", 503, 4)]
    host.answers["https://a/2"] = png
    assert (
        downloading.fetch_missing(["https://a/1", "https://a/2"], downloading.open_store(CONFIG), host, workers=2) == {}
    )
    assert sorted(host.asked) == ["https://a/1", "https://a/2", "https://a/2"]


def test_a_kill_costs_at_most_one_batch():
    urls = [f"https://a/{number:03d}" for number in range(downloading.BATCH + 3)]
    host = Host(dict.fromkeys(urls, _picture("PNG")))
    host.answers[urls[-1]] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        downloading.fetch_missing(urls, downloading.open_store(CONFIG), host, workers=1)
    host.asked.clear()
    host.answers[urls[-1]] = _picture("PNG")
    downloading.fetch_missing(urls, downloading.open_store(CONFIG), host, workers=1)
    assert host.asked == urls[downloading.BATCH :]


def test_html_with_status_200_is_a_failure_and_not_stored():
    host = Host({"https://a/1": b"<html>moved</html>"})
    store = downloading.open_store(CONFIG)
    failures = downloading.fetch_missing(["https://a/1"], store, host, workers=1)
    assert failures["https://a/1"].reason == "no_image"
    assert store.missing(["https://a/1"]) == ["https://a/1"]


def test_pictures_are_joined_to_their_records_part_by_part():
    records = tables.from_rows([record(str(number)) for number in range(5)], RECORDS)
    host = Host({url: _picture("PNG") for url in records.column("image_url").to_pylist()})
    store = downloading.open_store(CONFIG)
    downloading.fetch_missing(list(host.answers), store, host, workers=2)
    parts = list(downloading.downloads(records, store, rows=2))
    assert [part.num_rows for part in parts] == [2, 2, 1]
    row = tables.check(parts[0], DOWNLOADS).to_pylist()[0]
    assert (row["format"], row["n_bytes"], row["image"]["path"]) == ("png", len(_picture("PNG")), "lexica_0.png")


def test_every_record_of_a_failed_address_is_a_failure():
    records = tables.from_rows([record("1"), record("2", image_url="https://image.lexica.art/1")], RECORDS)
    failure = downloading.Failure("https://image.lexica.art/1", "not_found", 404, 1)
    rows = downloading.failure_rows(records, {failure.url: failure}).to_pylist()
    assert [(row["sample_id"], row["host"], row["status"]) for row in rows] == [
        ("lexica:1", "image.lexica.art", 404),
        ("lexica:2", "image.lexica.art", 404),
    ]
    assert tables.from_rows([], FAILURES).num_rows == 0

import io

import pytest
from PIL import Image

from pipeline import downloading, tables
from pipeline.downloading import DOWNLOADS, FAILURES, picture_format
from pipeline.picture_store import Failure, Picture, PictureStore
from pipeline.sources.record import RECORDS
from tests.pipeline.made_records import record


def _picture(kind, **options):
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "webp", "avif"])
def test_the_format_is_told_by_the_bytes(kind):
    assert picture_format(_picture(kind.upper())) == kind


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html>",
        b"RIFF0000WAVE",
        b"0000ftypmp42",
        b"\x00" * 20,
        b'{"error": 1}',
        b"BM",
        b"BMW: not found",
    ],
)
def test_what_is_no_picture_has_no_format(content):
    assert picture_format(content) is None


def _kept(contents):
    store = PictureStore(20.0)
    store.keep(Picture(url, content, 200, 1) for url, content in contents.items())
    return store


def test_pictures_are_joined_to_their_records_part_by_part():
    records = tables.from_rows([record(str(number)) for number in range(5)], RECORDS)
    urls = downloading.addresses(records, side_px=64)
    assert urls["lexica:0"] == "https://image.lexica.art/0"
    store = _kept({url: _picture("PNG") for url in urls.values()})
    parts = list(downloading.downloads(records, urls, store, rows=2, most_bytes=10**9))
    assert [part.num_rows for part in parts] == [2, 2, 1]
    row = tables.check(parts[0], DOWNLOADS).to_pylist()[0]
    assert (row["format"], row["n_bytes"], row["image"]["path"]) == ("png", len(_picture("PNG")), "lexica_0.png")


def test_a_record_keeps_its_own_address_when_a_smaller_rendition_was_asked_for():
    large = "https://image.civitai.com/b/u/original=true/u.jpeg"
    rows = [record("1", image_url=large, width=2048, height=2048)]
    records = tables.from_rows(rows, RECORDS)
    urls = downloading.addresses(records, side_px=512)
    assert list(urls.values()) == ["https://image.civitai.com/b/u/width=512/u.jpeg"]
    store = _kept(dict.fromkeys(urls.values(), _picture("PNG")))
    (part,) = downloading.downloads(records, urls, store, rows=10, most_bytes=10**9)
    assert part.column("image_url").to_pylist() == [large]


@pytest.mark.parametrize(
    ("rows", "most_bytes", "sizes"),
    [(7, 10**9, [7, 7, 6]), (100, 400, [6, 6, 6, 2]), (4, 400, [4] * 5), (100, 1, [3] * 6 + [2]), (20, 10**9, [20])],
)
def test_large_pictures_end_a_shard_and_few_are_read_at_once(monkeypatch, tmp_path, rows, most_bytes, sizes):
    monkeypatch.setattr(downloading, "READ_ROWS", 3)
    records = tables.from_rows([record(f"{number:02d}") for number in range(20)], RECORDS)
    urls, content = downloading.addresses(records, side_px=64), _picture("PNG")
    store, read, contents = _kept(dict.fromkeys(urls.values(), content)), [], PictureStore.contents
    monkeypatch.setattr(PictureStore, "contents", lambda self, urls: read.append(len(urls)) or contents(self, urls))
    parts = list(downloading.downloads(records, urls, store, rows=rows, most_bytes=most_bytes))
    assert ([part.num_rows for part in parts], max(read)) == (sizes, 3)
    assert len(content) * 6 >= 400 > len(content) * 3
    downloading.write_parts(parts, tmp_path / "parts")
    found = tables.read_shards(tmp_path / "parts", DOWNLOADS)
    assert found.column("sample_id").to_pylist() == records.column("sample_id").to_pylist()
    assert len(tables.shards(tmp_path / "parts")) == len(sizes)


def test_every_record_of_a_failed_address_is_a_failure():
    urls = {"lexica:1": "https://image.lexica.art/1", "lexica:2": "https://image.lexica.art/1"}
    failure = Failure("https://image.lexica.art/1", "not_found", 404, 1)
    rows = downloading.failure_rows(urls, {failure.url: failure}).to_pylist()
    assert [(row["sample_id"], row["host"], row["status"]) for row in rows] == [
        ("lexica:1", "image.lexica.art", 404),
        ("lexica:2", "image.lexica.art", 404),
    ]
    assert tables.from_rows([], FAILURES).num_rows == 0

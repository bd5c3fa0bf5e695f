import hashlib

import pytest

from pipeline import tables
from pipeline.errors import InputError
from pipeline.review_page import shards
from pipeline.review_page.shards import Shards, kind
from pipeline.review_page.task import Place
from tests.pipeline.review_page.made import PICTURES


def content(number):
    return b"\x89PNG\r\n\x1a\n" + bytes([number]) * 1000


@pytest.fixture
def folder(tmp_path):
    rows = [{"sample_id": f"a:{at:04d}", "image": {"bytes": content(at), "path": None}} for at in range(250)]
    tables.write_shards([tables.from_rows(rows, PICTURES)], tmp_path / "parts", PICTURES, rows=210)
    return tmp_path / "parts"


def place(number):
    sha256 = hashlib.sha256(content(number)).hexdigest()
    return Place(f"part-{number // 210:05d}.parquet", f"a:{number:04d}", sha256)


def test_every_picture_is_found_in_any_order(folder):
    found = Shards(folder)
    for number in [249, 0, 99, 100, 101, 209, 210, 7, 0]:
        assert found.picture(place(number)) == content(number)


def test_the_last_pictures_stay_and_no_more_than_fit(folder, monkeypatch):
    monkeypatch.setattr(shards, "CACHED_BYTES", 3500)
    found = Shards(folder)
    reads = []
    monkeypatch.setattr(found, "_read", lambda at, read=found._read: (reads.append(at), read(at))[1])
    for number in [1, 2, 3, 1, 4, 1, 2]:
        found.picture(place(number))
    assert [int(one.sample_id[2:]) for one in reads] == [1, 2, 3, 4, 2]
    assert found._cached <= 3500


def test_one_picture_that_is_larger_than_the_cache_is_sent_all_the_same(folder, monkeypatch):
    monkeypatch.setattr(shards, "CACHED_BYTES", 10)
    found = Shards(folder)
    assert found.picture(place(1)) == found.picture(place(1)) == content(1)


def test_few_rows_of_a_group_are_in_memory_at_a_time(folder, monkeypatch):
    sizes = []
    batches = shards.pq.ParquetFile.iter_batches

    def watched(self, *arguments, **named):
        for batch in batches(self, *arguments, **named):
            sizes.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(shards.pq.ParquetFile, "iter_batches", watched)
    assert Shards(folder).picture(place(95)) == content(95)
    assert max(sizes) <= shards.ROWS_AT_ONCE


@pytest.mark.parametrize(
    ("part", "key"), [("part-00009.parquet", "a:0001"), ("part-00000.parquet", "a:9999"), ("bad.parquet", "a:1")]
)
def test_what_is_missing_is_told_in_one_line(folder, part, key):
    (folder / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="run dvc repro"):
        Shards(folder).picture(Place(part, key, "0" * 64))


@pytest.mark.parametrize("before", [(), (210,)], ids=["not yet read", "its keys are known"])
def test_a_shard_that_was_made_anew_shows_nothing_under_the_old_digest(folder, before):
    found = Shards(folder)
    for number in before:
        found.picture(place(number))
    rows = [{"sample_id": f"a:{at:04d}", "image": {"bytes": content(at - 1), "path": None}} for at in range(210, 250)]
    tables.write(tables.from_rows(rows, PICTURES), folder / "part-00001.parquet", PICTURES)
    with pytest.raises(InputError, match="data changed: start sur review again"):
        found.picture(place(220))


def test_a_shard_that_became_shorter_is_told(folder):
    found = Shards(folder)
    found.picture(place(240))
    rows = [{"sample_id": "a:0210", "image": {"bytes": content(1), "path": None}}]
    tables.write(tables.from_rows(rows, PICTURES), folder / "part-00001.parquet", PICTURES)
    with pytest.raises(InputError, match="shorter than its keys"):
        found.picture(place(249))


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"BM\x00\x00", "image/bmp"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x1cftypavif", "image/avif"),
        (b"<svg onload=alert(1)>", None),
        (b"<!doctype html>", None),
        (b"", None),
    ],
)
def test_kinds_are_told_by_the_first_bytes(start, name):
    assert kind(start) == name

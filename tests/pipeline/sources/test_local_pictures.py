import io
import os
import zipfile
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.downloading import picture_format
from pipeline.http import FetchError, host_of
from pipeline.sources.local_pictures import LocalPictures, address, by_scheme, locate
from pipeline.sources.record import Unusable
from tests.pipeline.sources.imports.made import png, put


def _digest(content):
    return sha256(content).hexdigest()


def _reason(root, url, most=10**6):
    with pytest.raises(FetchError) as caught:
        LocalPictures({"mine": root}, max_bytes=most).get(url)
    assert caught.value.url in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value.reason


@pytest.mark.parametrize("name", ["a.png", "sub folder/#1 ?.png", "ä/漢字 %41.png"])
def test_a_file_of_any_name_is_found_again(tmp_path, name):
    put(tmp_path, {name: png()})
    url = address("mine", name, _digest(png()))
    answer = LocalPictures({"mine": tmp_path}, max_bytes=10**6).get(url)
    assert (answer.content, answer.status, answer.attempts) == (png(), 200, 1)
    assert picture_format(answer.content) == "png"
    assert host_of(url) == "mine"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("import://mine/../secret.png?sha256=0", "picture_outside"),
        ("import://mine/%2e%2e/secret.png?sha256=0", "picture_outside"),
        ("import://mine//etc/passwd?sha256=0", "picture_outside"),
        ("import://mine/?sha256=0", "picture_outside"),
        ("import://mine/none.png?sha256=0", "picture_missing"),
        ("import://mine/sub?sha256=0", "picture_missing"),
        ("import://mine/link.png?sha256=0", "picture_is_link"),
        ("import://mine/linked/a.png?sha256=0", "picture_is_link"),
        ("import://mine/pipe?sha256=0", "picture_missing"),
        ("import://other/a.png?sha256=0", "no_import"),
        ("import://mine/a.png?sha256=0", "picture_changed"),
        ("import://mine/a.png", "picture_changed"),
        ("import://mine/a.png?sha256=0#b.png", "broken_archive"),
    ],
)
def test_nothing_but_the_imported_picture_is_given(tmp_path, url, reason):
    put(tmp_path, {"secret.png": png(), "in/a.png": png(1), "in/sub/b.png": png(2)})
    root = tmp_path / "in"
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "linked").symlink_to(root / "sub")
    os.mkfifo(root / "pipe")
    assert _reason(root, url) == reason


def test_a_picture_that_cannot_be_opened_is_told(tmp_path, monkeypatch):
    put(tmp_path, {"a.png": png()})

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    for method in ("is_file", "open"):
        with monkeypatch.context() as patched:
            patched.setattr(f"pathlib.Path.{method}", refuse)
            assert _reason(tmp_path, address("mine", "a.png", _digest(png()))) == "picture_unreadable"


def test_the_folder_itself_may_be_a_link(tmp_path):
    put(tmp_path, {"real/a.png": png()})
    (tmp_path / "root").symlink_to("real")
    assert locate(tmp_path / "root", "./a.png").read_bytes() == png()


def test_more_bytes_than_are_allowed_are_not_read(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(5_000_000))
    put(tmp_path, {"a.png": bytes(2000), "b.zip": packed.getvalue()})
    pq.write_table(pa.table({"picture": [bytes(2000)]}), tmp_path / "c.parquet")
    digest = _digest(bytes(2000))
    for url in (address("mine", "a.png", digest), address("mine", "c.parquet", digest, "0/picture")):
        assert _reason(tmp_path, url, most=1000) == "too_large"
    assert _reason(tmp_path, address("mine", "b.zip", "0", "bomb.png"), most=1000) == "too_large"
    assert LocalPictures({"mine": tmp_path}, max_bytes=2000).get(address("mine", "a.png", digest)).content == bytes(
        2000
    )


@pytest.mark.parametrize("member", ["9/picture", "-1/picture", "x/picture", "0/none", "0", "1/picture"])
def test_a_row_that_is_not_there_any_more_is_told(tmp_path, member):
    pq.write_table(pa.table({"picture": [png(), None]}), tmp_path / "a.parquet")
    reason = _reason(tmp_path, address("mine", "a.parquet", _digest(png()), member))
    assert reason == ("no_picture" if member == "1/picture" else "picture_changed")


def test_a_member_that_is_not_there_any_more_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", png())
    url = address("mine", "a.zip", _digest(png()), "sub/b.png")
    assert _reason(tmp_path, url) == "picture_missing"


def test_a_changed_picture_is_never_taken_for_the_old_one(tmp_path):
    put(tmp_path, {"a.png": png(1)})
    url = address("mine", "a.png", _digest(png(1)))
    put(tmp_path, {"a.png": png(2)})
    assert _reason(tmp_path, url) == "picture_changed"


def test_places_that_lead_out_are_unusable(tmp_path):
    for path in ("", ".", "..", "a/../../b", "/a", "a//b"):
        with pytest.raises(Unusable, match="picture_outside"):
            locate(tmp_path, path)


def test_each_address_goes_to_its_reader():
    get = by_scheme(lambda url: f"local {url}", lambda url: f"remote {url}")
    assert get("import://mine/a.png") == "local import://mine/a.png"
    assert get("https://mine/a.png") == "remote https://mine/a.png"

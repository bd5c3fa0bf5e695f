import errno
import os
from pathlib import Path

import pytest

from pipeline.answers import TripletVerdict, read
from pipeline.errors import InputError, StorageError
from pipeline.review_page.journal import Journal

LINE = TripletVerdict(review_key="0" * 64, verdict="keep", reviewer="Ann")
OTHER = TripletVerdict(review_key="1" * 64, verdict="reject", reviewer="Ann")


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "triplets" / "ann.jsonl", tmp_path / "locks")


def test_lines_are_synced_before_append_returns(journal, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    journal.append([LINE])
    journal.append([OTHER])
    size = journal.path.stat().st_size
    assert size in synced  # of the file, after its last byte
    assert len(synced) == 3  # and once of the folder, where the name is new
    assert read(journal.path.parent, TripletVerdict) == [LINE, OTHER]


def test_a_second_page_on_the_same_file_is_refused(journal, tmp_path):
    with pytest.raises(InputError, match=r"ann\.jsonl is in use by another review page"):
        Journal(journal.path, tmp_path / "locks")
    journal.close()
    Journal(journal.path, tmp_path / "locks").close()


def test_a_file_that_git_replaces_is_written_to_all_the_same(journal):
    journal.append([LINE])
    copy = journal.path.with_suffix(".new")
    copy.write_bytes(journal.path.read_bytes())
    copy.replace(journal.path)
    journal.append([OTHER])
    assert len(journal.path.read_text().splitlines()) == 2


def test_a_torn_line_that_nobody_was_told_of_goes(journal):
    journal.append([LINE])
    whole = journal.path.read_bytes()
    for cut in (1, 20, len(whole) - 2):
        journal.path.write_bytes(whole + whole[:cut])
        assert journal.repair() == cut
        assert journal.path.read_bytes() == whole


def test_a_last_line_without_its_end_gets_one(journal):
    journal.append([LINE])
    journal.path.write_bytes(journal.path.read_bytes().rstrip(b"\n"))
    journal.append([OTHER])
    assert read(journal.path.parent, TripletVerdict) == [LINE, OTHER]


def test_nothing_of_a_line_is_left_where_the_disk_is_full(journal, monkeypatch):
    journal.append([LINE])
    before = journal.path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        journal.append([OTHER])
    assert journal.path.read_bytes() == before


def test_a_line_that_is_written_in_part_is_taken_back(journal, monkeypatch):
    journal.append([LINE])
    before = journal.path.read_bytes()
    opened = Path.open

    def half(path, mode="r", *more, **named):
        file = opened(path, mode, *more, **named)
        return Half(file) if mode == "ab" else file

    monkeypatch.setattr(Path, "open", half)
    with pytest.raises(StorageError, match="only a part was written"):
        journal.append([OTHER])
    assert journal.path.read_bytes() == before


class Half:
    """A file of which the disk takes half."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        return self.file.write(content[: len(content) // 2])

    def __getattr__(self, name):
        return getattr(self.file, name)

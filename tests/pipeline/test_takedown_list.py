from datetime import date

import pyarrow as pa
import pytest

from pipeline import takedown_list
from pipeline.errors import InputError
from pipeline.looks import THUMBNAIL_BYTES, Look
from pipeline.takedown_list import add, look_entry, read, without
from tests.pipeline.made_records import record

LOOK = Look(0xAB, bytes(range(THUMBNAIL_BYTES)))
DAY = date(2026, 3, 1)


def test_entries_notes_looks_and_comments_are_told_apart(tmp_path):
    path = tmp_path / "takedown.txt"
    path.write_text(
        f"# why\n\n lexica:1 \n  # more\nhttps://a/b#c\nlexica:2  # removed 2026-01-01\n{look_entry(LOOK)}\n"
    )
    found = read(path)
    assert found.names == {"lexica:1", "https://a/b#c", "lexica:2"}
    assert found.removed == {"lexica:2"}
    assert found.looks == (LOOK,)


def test_a_note_that_is_no_mark_changes_nothing(tmp_path):
    path = tmp_path / "takedown.txt"
    path.write_text("lexica:1  # asked for by its author\n")
    assert (read(path).names, read(path).removed) == ({"lexica:1"}, frozenset())


def test_a_missing_takedown_list_is_no_empty_one(tmp_path):
    with pytest.raises(InputError, match="an empty file is fine"):
        read(tmp_path / "takedown.txt")


@pytest.mark.parametrize("entry", ["look:abc:00", "look:00000000000000ab", f"look:{'z' * 16}:{'0' * 384}"])
def test_a_damaged_look_is_told_with_its_line(tmp_path, entry):
    path = tmp_path / "takedown.txt"
    path.write_text(f"lexica:1\n{entry}\n")
    with pytest.raises(InputError, match=r"line 2: .* is no look"):
        read(path)


def test_added_entries_are_marked_with_the_day_and_adding_again_changes_nothing(tmp_path):
    path = tmp_path / "takedown.txt"
    path.write_text("# head\nlexica:1\nlexica:9\n")
    for _ in range(2):
        add(["lexica:1", "https://a/b", look_entry(LOOK)], "asked by mail", on=DAY, path=path)
    assert path.read_text().splitlines() == [
        "# head",
        "lexica:9",
        "# 2026-03-01: asked by mail",
        "lexica:1  # removed 2026-03-01",
        "https://a/b  # removed 2026-03-01",
        look_entry(LOOK),
    ]
    assert read(path).removed == {"lexica:1", "https://a/b"}


def test_records_go_by_id_page_and_picture_address():
    records = pa.Table.from_pylist([record(name) for name in "abcd"])
    removed = {"lexica:a", "https://lexica.art/prompt/b", "https://image.lexica.art/c"}
    assert without(records, removed).column("source_id").to_pylist() == ["d"]
    assert without(records, frozenset()).num_rows == 4


def test_the_list_in_force_is_readable():
    assert read(takedown_list.Path(__file__).parents[2] / "takedown.txt").names == frozenset()

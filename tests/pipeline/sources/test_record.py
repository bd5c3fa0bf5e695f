import pytest

from pipeline import tables
from pipeline.sources.record import (
    INT64,
    RECORDS,
    Record,
    Unusable,
    as_address,
    as_float,
    as_id,
    as_int,
    as_json,
    as_mapping,
    as_text,
    author_hash,
)


def test_a_record_is_a_row_of_its_table():
    record = Record(
        source="lexica",
        source_id="7",
        page_url="https://a/7",
        image_url="https://b/7",
        access_basis="API",
        licence="CC0",
        licence_url="https://c",
        nsfw_level=1,
        prompt="(star:1.2)",
        complex_prompt="star",
        meta_json="{}",
    )
    table = tables.from_rows([record.row()], RECORDS)
    assert table.column("sample_id").to_pylist() == ["lexica:7"]
    assert table.column("seed").to_pylist() == [None]


@pytest.mark.parametrize(
    ("value", "number"),
    [("21364683354", 21364683354), (21364683354, 21364683354), ("9007199254740993", 9007199254740993), (7.0, 7)],
)
def test_seeds_above_32_bits_stay_exact(value, number):
    assert as_int(value, INT64) == number


@pytest.mark.parametrize("value", [None, True, "x", 1.5, "1.5", [], 2**63, -(2**63) - 1, "nan", "inf", 10**400])
def test_what_is_no_whole_number_of_64_bits_is_none(value):
    assert as_int(value, INT64) is None


@pytest.mark.parametrize(("value", "number"), [(7, 7.0), ("6.5", 6.5), (None, None), (True, None), ("x", None)])
def test_numbers_come_as_numbers_or_text(value, number):
    assert as_float(value) == number


def test_text_is_text_with_something_in_it():
    assert (as_text(" a "), as_text(" "), as_text(3), as_text(None)) == (" a ", None, None, None)


def test_a_mapping_of_anything_else_is_empty():
    assert (as_mapping({"a": 1}), as_mapping([1]), as_mapping(None)) == ({"a": 1}, {}, {})


@pytest.mark.parametrize("value", [None, "", True, 1.5, "../etc", "a b", "x" * 201, {}])
def test_an_id_that_could_do_harm_is_malformed(value):
    with pytest.raises(Unusable, match="malformed"):
        as_id(value)


def test_ids_are_text_or_numbers():
    assert (as_id(12), as_id("0482ee68-a")) == ("12", "0482ee68-a")


@pytest.mark.parametrize("value", [None, "http://a/b.png", "javascript:1", 3])
def test_a_picture_without_an_https_address_is_unusable(value):
    with pytest.raises(Unusable, match="no_image_url"):
        as_address(value)


def test_authors_are_hashed_with_a_salt():
    assert author_hash("ada", "x") == author_hash("ada", "x")
    assert author_hash("ada", "x") != author_hash("ada", "y")
    assert "ada" not in str(author_hash("ada", "x"))
    assert author_hash(None, "x") is author_hash("", "x") is None


def test_metadata_is_kept_without_the_named_keys():
    assert as_json({"b": 1, "a": "é", "username": "ada"}, without=("username",)) == '{"a": "é", "b": 1}'

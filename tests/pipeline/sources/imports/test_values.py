import datetime
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.imports.values import as_rating, as_time, id_of, plain_values, printable
from pipeline.sources.record import as_id


@pytest.mark.parametrize("path", ["a.png", "train/ä.png"])
def test_a_path_that_may_be_an_id_stays_readable(path):
    assert id_of(path) == path.replace("/", "--")


@pytest.mark.parametrize("paths", [("x/b.png", "x--b.png"), ("x-/b.png", "x/-b.png", "x---b.png"), ("a/b/c", "a/b--c")])
def test_no_two_paths_have_one_id(paths):
    assert len({id_of(path) for path in paths}) == len(paths)


@given(st.lists(st.text("-/a", min_size=1, max_size=6), min_size=2, max_size=20, unique=True))
def test_no_two_paths_of_hyphens_and_slashes_have_one_id(paths):
    whole = [path for path in paths if all(path.split("/"))]
    assert len({id_of(path) for path in whole}) == len(whole)


@pytest.mark.parametrize("path", ["a b.png", "x" * 300, "a#b", "漢字 1.png"])
def test_any_other_path_becomes_a_digest_of_its_own(path):
    assert as_id(id_of(path)) != id_of(path + "2")


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (True, 4),
        (False, 1),
        (None, 0),
        (2, 2),
        (31, 31),
        (32, 16),
        (0, 0),
        (-1, 0),
        ("4", 4),
        ("odd", 0),
        (math.nan, 0),
    ],
)
def test_ratings_are_the_mask_of_records(value, level):
    assert as_rating(value) == level


def test_times_become_iso_8601():
    assert as_time(datetime.date(2024, 1, 2)) == "2024-01-02"
    assert as_time(datetime.datetime(2024, 1, 2, 3, tzinfo=datetime.UTC)) == "2024-01-02T03:00:00+00:00"
    assert (as_time("yesterday"), as_time(5)) == ("yesterday", None)


def test_metadata_becomes_plain_json():
    row = {"a": b"x", 1: math.inf, "b": {"c": (1, b"x", datetime.time(3))}, "d": "half \ud83d", "e": None}
    assert plain_values(row) == {"1": None, "b": {"c": [1, "03:00:00"]}, "d": "half ?", "e": None}


def test_names_can_be_printed_and_stay_short():
    assert printable("a\udcff" + "b" * 500) == ("a\\udcff" + "b" * 500)[:200]

from hashlib import sha256

import pytest

from pipeline import tables
from pipeline.picture_store import LEDGER, Failure, Picture, PictureStore

ONE, TWO, THREE = "https://a/1", "https://a/2", "https://b/3"
PASSING, GONE = Failure(ONE, "http_503", 503, 4), Failure(TWO, "not_found", 404, 1)


def test_what_came_is_not_asked_again_nor_what_is_gone():
    store = PictureStore(20.0)
    store.keep([Picture(THREE, b"picture", 200, 2)])
    store.note([PASSING, GONE])
    assert store.to_ask([ONE, TWO, THREE, ONE]) == [ONE]
    assert store.to_ask([ONE, TWO, THREE], final=True) == [ONE, TWO]
    assert store.failures([ONE, TWO, THREE, "https://a/never"]) == {ONE: PASSING, TWO: GONE}
    assert PictureStore(20.0).contents([THREE]) == [b"picture"]


def test_the_last_failure_counts_and_a_picture_counts_more():
    store = PictureStore(20.0)
    store.note([PASSING])
    store.note([Failure(ONE, "timed_out", None, 4)])
    assert store.failures([ONE])[ONE].reason == "timed_out"
    store.keep([Picture(ONE, b"picture", 200, 1)])
    assert store.failures([ONE]) == {}


def test_the_ledger_has_one_row_an_address():
    store = PictureStore(20.0)
    store.keep([Picture(THREE, b"picture", 203, 2)])
    store.note([PASSING, GONE])
    rows = tables.check(store.ledger([THREE, TWO, ONE, TWO]), LEDGER).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (ONE, "a", "failed", 503, "http_503", 4, None),
        (TWO, "a", "final", 404, "not_found", 1, None),
        (THREE, "b", "came", 203, None, 2, sha256(b"picture").hexdigest()),
    ]
    assert PictureStore(1.0).ledger([ONE]).num_rows == 0  # never asked under this limit


@pytest.mark.parametrize("cut", [2, 20, 60])
def test_a_line_that_a_kill_has_cut_is_no_failure_and_spoils_no_other(cut):
    store = PictureStore(20.0)
    store.note([GONE, PASSING])
    (log,) = store._rows.folder.glob("*.jsonl")
    content = log.read_bytes()
    log.write_bytes(content[:-cut])
    assert store.failures([ONE, TWO]) == {TWO: GONE}
    store.note([Failure(THREE, "timed_out", None, 4)])
    assert set(store.failures([ONE, TWO, THREE])) == {TWO, THREE}


@pytest.mark.parametrize(
    ("reason", "status", "final"),
    [
        ("not_found", 410, True),
        ("refused", 403, True),
        ("noai", 200, True),
        ("too_large", None, True),
        ("robots_disallowed", None, True),
        ("http_418", 418, True),
        ("http_429", 429, False),
        ("http_503", 503, False),
        ("http_304", 304, False),
        ("no_image", 200, False),
        ("host_stopped", None, False),
        ("challenge", 403, False),
        ("connection_failed", None, False),
        ("robots_unreadable", None, False),
    ],
)
def test_what_another_attempt_may_mend_is_not_final(reason, status, final):
    assert Failure(ONE, reason, status, 1).final is final

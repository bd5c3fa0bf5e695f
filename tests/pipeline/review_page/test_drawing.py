import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.review_page import drawing

KEYS = [f"key {number}" for number in range(5000)]
ITEMS = drawing.item_draws(KEYS)


def test_mixing_equals_splitmix64():
    """The first outputs of SplitMix64 with state 1234567, as published with its reference implementation."""
    wanted = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    state = np.array([1234567 + step * 0x9E3779B97F4A7C15 for step in range(3)], dtype=object) % 2**64
    purpose = ("a", 1)
    items = np.array([int(one) ^ drawing.seed_of(*purpose) for one in state], dtype=np.uint64)
    assert drawing.draw(items, *purpose).tolist() == wanted


def test_shares_are_uniform():
    found = drawing.shares(ITEMS, 0, "overlap")
    assert 0.0 <= found.min() < found.max() < 1.0
    counts = np.histogram(found, bins=10, range=(0, 1))[0]
    assert abs(counts - 500).max() < 100


def test_an_order_has_every_row_once_and_is_another_for_others():
    ann, bob = (drawing.order(ITEMS, 0, "order", name) for name in ("Ann", "Bob"))
    assert sorted(ann) == list(range(5000))
    assert (ann != bob).mean() > 0.99
    assert (ann == drawing.order(ITEMS, 0, "order", "Ann")).all()


@given(st.sets(st.integers(0, 4999), min_size=1))
def test_what_is_drawn_for_a_row_does_not_depend_on_the_others(chosen):
    rows = sorted(chosen)
    alone = drawing.shares(drawing.item_draws([KEYS[row] for row in rows]), 3, "x")
    assert (alone == drawing.shares(ITEMS, 3, "x")[rows]).all()


def test_work_is_divided_evenly_and_each_item_has_as_many_people_as_it_needs():
    needed = np.where(drawing.shares(ITEMS, 0, "overlap") < 0.1, 2, 1).astype(np.uint8)
    names = ["Ann", "Bob", "Cem"]
    shares = np.stack([drawing.assigned(ITEMS, needed, names, name, 0) for name in names])
    assert (shares.sum(axis=0) == needed).all()
    assert abs(shares.sum(axis=1) - needed.sum() / 3).max() < 150


def test_another_reviewer_takes_work_and_moves_none_between_the_others():
    needed = np.ones(5000, dtype=np.uint8)
    before = drawing.assigned(ITEMS, needed, ["Ann", "Bob"], "Ann", 0)
    after = drawing.assigned(ITEMS, needed, ["Ann", "Bob", "Cem"], "Ann", 0)
    assert not (after & ~before).any()
    assert abs(after.mean() - 1 / 3) < 0.03

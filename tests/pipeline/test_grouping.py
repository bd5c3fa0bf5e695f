from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import grouping
from pipeline.grouping import components, first_equal, near_hashes, near_pairs, split_of

NO_EDGE = (np.zeros(0, np.intp), np.zeros(0, np.intp))


def _edges(pairs):
    array = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def test_a_component_is_called_by_its_first_row():
    edges = [_edges([(4, 3), (3, 1)]), _edges([(5, 5)])]
    assert components(6, edges).tolist() == [0, 1, 2, 1, 1, 5]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))), st.randoms())
def test_the_order_of_joining_does_not_matter(pairs, rng):
    shuffled = [pair[::-1] for pair in pairs]
    rng.shuffle(shuffled)
    found = components(21, [_edges(pairs)])
    assert found.tolist() == components(21, [_edges(shuffled), NO_EDGE]).tolist()
    assert all(found[one] == found[other] for one, other in pairs)


@given(st.lists(st.sampled_from(["a", "b", "c", "d"])))
def test_equal_values_are_known_by_their_first_row(values):
    expected = [values.index(value) for value in values]
    assert first_equal(np.array(values, dtype="S1")).tolist() == expected


def _brute_force(hashes, bits):
    return [
        (first, second)
        for first in range(len(hashes))
        for second in range(first + 1, len(hashes))
        if (int(hashes[first]) ^ int(hashes[second])).bit_count() <= bits
    ]


@st.composite
def _hashes(draw):
    """Some hashes far from each other, and others that differ from these in a few bits: next to the threshold."""
    seeds = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=6))
    flips = st.lists(st.integers(0, 63), max_size=12, unique=True)
    found = []
    for seed, flipped in draw(st.lists(st.tuples(st.sampled_from(seeds), flips), max_size=24)):
        found.append(seed ^ sum(1 << bit for bit in flipped))
    return np.array(found, dtype=np.uint64)


@settings(max_examples=200)
@given(_hashes(), st.integers(0, 20), st.integers(0, 3))
def test_near_hashes_are_those_of_brute_force_each_once(hashes, bits, more):
    """Whatever the number of blocks, also those that the cost would choose for other numbers of rows."""
    blocks = max(bits + more, 1)
    with mock.patch.object(grouping, "block_count", return_value=blocks):
        found = [
            pair for one, other in near_hashes(hashes, bits) for pair in zip(one.tolist(), other.tolist(), strict=True)
        ]
    assert sorted(found) == _brute_force(hashes, bits)


@pytest.mark.parametrize("bits", [0, 1, 8, 32])
def test_every_threshold_is_exact_at_the_chosen_number_of_blocks(bits):
    rng = np.random.default_rng(bits)
    hashes = rng.integers(0, 2**64, 300, dtype=np.uint64)
    for row in range(1, 300, 2):
        flipped = rng.choice(64, size=row % (bits + 3), replace=False)
        hashes[row] = hashes[row - 1] ^ np.bitwise_or.reduce(np.uint64(1) << flipped.astype(np.uint64), initial=0)
    found = [
        pair for one, other in near_hashes(hashes, bits) for pair in zip(one.tolist(), other.tolist(), strict=True)
    ]
    assert sorted(found) == _brute_force(hashes, bits)


def test_more_rows_are_cut_into_more_blocks_and_a_wide_threshold_compares_all():
    assert [grouping.block_count(rows, 8) for rows in (100, 10_000, 1_000_000)] == [8, 10, 11]
    assert grouping.block_count(1000, 32) == 32
    assert grouping.block_count(1000, 0) == 1


def test_blocks_share_no_bit_and_leave_none_out():
    masks = [int(mask) for mask in grouping.block_masks(11)]
    assert sum(masks) == 2**64 - 1
    assert sum(mask.bit_count() for mask in masks) == 64


def test_pairs_need_like_thumbnails_too(monkeypatch):
    monkeypatch.setattr(grouping, "PAIRS_AT_A_TIME", 7)
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 40, dtype=np.uint64)
    hashes[1::2] = hashes[0::2] ^ (np.uint64(1) << rng.integers(0, 60, 20, dtype=np.uint64))
    thumbnails = rng.integers(0, 256, (40, 192), dtype=np.uint8)
    thumbnails[1::2] = thumbnails[0::2]
    expected = [
        (first, second)
        for first, second in _brute_force(hashes, 24)
        if np.abs(thumbnails[first].astype(float) - thumbnails[second]).mean() <= 90.0
    ]
    assert len(expected) > 20
    found = near_pairs(hashes, thumbnails, bits=24, levels=90.0)
    assert list(zip(*(rows.tolist() for rows in found), strict=True)) == expected


def test_pictures_that_differ_in_colour_only_are_no_pair():
    hashes = np.array([5, 5], dtype=np.uint64)
    thumbnails = np.stack([np.full(192, 10, np.uint8), np.full(192, 240, np.uint8)])
    assert [rows.tolist() for rows in near_pairs(hashes, thumbnails, bits=0, levels=6.0)] == [[], []]
    assert [rows.tolist() for rows in near_pairs(hashes, thumbnails, bits=0, levels=230.0)] == [[0], [1]]


def test_no_picture_gives_no_pair():
    found = near_pairs(np.zeros(0, np.uint64), np.zeros((0, 192), np.uint8), bits=4, levels=6.0)
    assert [len(rows) for rows in found] == [0, 0]


def test_splits_meet_their_shares():
    splits = [split_of(f"g{number}", seed=0, val_share=0.2, test_share=0.1) for number in range(5000)]
    assert splits.count("val") / 5000 == pytest.approx(0.2, abs=0.02)
    assert splits.count("test") / 5000 == pytest.approx(0.1, abs=0.02)


def test_a_split_depends_on_the_seed_and_on_nothing_else():
    one = [split_of(f"g{number}", seed=0, val_share=0.3, test_share=0.3) for number in range(50)]
    again = [split_of(f"g{number}", seed=0, val_share=0.3, test_share=0.3) for number in range(50)]
    other = [split_of(f"g{number}", seed=1, val_share=0.3, test_share=0.3) for number in range(50)]
    assert one == again
    assert one != other

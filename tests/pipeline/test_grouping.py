import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import grouping
from pipeline.grouping import Groups, near_pairs, split_of


def test_joined_names_share_a_group_called_by_the_smallest():
    groups = Groups("abcdef")
    groups.join("e", "d")
    groups.join("d", "b")
    groups.join("f", "f")
    assert [groups.of(name) for name in "abcdef"] == ["a", "b", "c", "b", "b", "f"]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))), st.randoms())
def test_the_order_of_joining_does_not_matter(pairs, rng):
    def grouped(order):
        groups = Groups(f"{number:02d}" for number in range(21))
        for first, second in order:
            groups.join(f"{first:02d}", f"{second:02d}")
        return [groups.of(f"{number:02d}") for number in range(21)]

    shuffled = [pair[::-1] for pair in pairs]
    rng.shuffle(shuffled)
    assert grouped(pairs) == grouped(shuffled)


def _random_pictures(count):
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, count, dtype=np.uint64)
    hashes[1::2] = hashes[0::2] ^ (np.uint64(1) << rng.integers(0, 60, count // 2, dtype=np.uint64))
    thumbnails = rng.integers(0, 256, (count, 192), dtype=np.uint8)
    thumbnails[1::2] = thumbnails[0::2]
    return hashes, thumbnails


def test_pairs_equal_brute_force(monkeypatch):
    monkeypatch.setattr(grouping, "BLOCK", 7)
    hashes, thumbnails = _random_pictures(40)
    expected = [
        (first, second)
        for first in range(40)
        for second in range(first + 1, 40)
        if (int(hashes[first]) ^ int(hashes[second])).bit_count() <= 24
        and np.abs(thumbnails[first].astype(float) - thumbnails[second]).mean() <= 90.0
    ]
    assert len(expected) > 20
    assert near_pairs(hashes, thumbnails, bits=24, levels=90.0) == expected


def test_pictures_that_differ_in_colour_only_are_no_pair():
    hashes = np.array([5, 5], dtype=np.uint64)
    thumbnails = np.stack([np.full(192, 10, np.uint8), np.full(192, 240, np.uint8)])
    assert near_pairs(hashes, thumbnails, bits=0, levels=6.0) == []
    assert near_pairs(hashes, thumbnails, bits=0, levels=230.0) == [(0, 1)]


def test_no_picture_gives_no_pair():
    assert near_pairs(np.zeros(0, np.uint64), np.zeros((0, 192), np.uint8), bits=4, levels=6.0) == []


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

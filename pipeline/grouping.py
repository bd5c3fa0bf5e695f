"""Which samples belong together, and the split that never tears them apart.

Sixteen to thirty-two per cent of real prompts are exact duplicates, so a split by rows would show the test set in
training. Samples of one prompt, and samples whose pictures are near duplicates, share one group and one split.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import combinations
from math import comb
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "val", "test"]
Rows = NDArray[np.intp]
Pairs = tuple[Rows, Rows]
"""Row numbers of pairs: all first ones, all second ones."""

HASH_BITS = 64
PAIRS_AT_A_TIME = 16_384  # thumbnails compared at once: 2 x 16,384 x 192 bytes are 6 MB
# Nanoseconds, measured: what sorting costs a row, and what looking at a pair costs. They choose the number of blocks
# and with it the time, never the result.
SORTING, LOOKING = 90.0, 15.0


def first_equal(values: NDArray[Any]) -> Rows:
    """For each row the number of the first row that has the same value, shape (n,)."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], dtype=np.intp)


def components(count: int, edges: Iterable[Pairs]) -> Rows:
    """The connected components of rows: for each row the smallest row number of its component.

    Args:
        count: rows in all; one without an edge is a component of its own.
        edges: pairs of rows that belong together, in any order.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first, second = joined(edges)
    graph = coo_matrix((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    return first_equal(labels)


def joined(pairs: Iterable[Pairs]) -> Pairs:
    """Several sets of pairs as one."""
    sets = [*pairs, (np.zeros(0, np.intp), np.zeros(0, np.intp))]
    return np.concatenate([first for first, _ in sets]), np.concatenate([second for _, second in sets])


def near_pairs(hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8], *, bits: int, levels: float) -> Pairs:
    """All pairs of pictures that look the same.

    A perceptual hash sees shapes in grey; pictures that differ in colour only are no duplicates here, so the
    thumbnails must agree too.

    Args:
        hashes: (n,) 64-bit perceptual hashes.
        thumbnails: (n, 192) pictures of 8 x 8 RGB pixels.
        bits: largest Hamming distance of two hashes.
        levels: largest mean absolute difference of two thumbnails, 0 to 255.

    Returns:
        Row numbers, the smaller first, sorted; each pair once.
    """
    found = []
    for first, second in near_hashes(hashes, bits):
        for start in range(0, len(first), PAIRS_AT_A_TIME):
            part = slice(start, start + PAIRS_AT_A_TIME)
            close = alike(thumbnails[first[part]], thumbnails[second[part]], levels)
            found.append((first[part][close], second[part][close]))
    first, second = joined(found)
    order = np.lexsort((second, first))
    return first[order], second[order]


def alike(one: NDArray[np.uint8], other: NDArray[np.uint8], levels: float) -> NDArray[np.bool_]:
    """Whether thumbnails (n, 192), row by row, differ by at most ``levels`` of 255 on average."""
    return np.asarray(np.abs(one.astype(np.int16) - other).mean(axis=1) <= levels)


def near_hashes(hashes: NDArray[np.uint64], bits: int) -> Iterator[Pairs]:
    """All pairs of hashes at a Hamming distance of at most ``bits``, each once, without comparing all with all.

    Pigeonhole: cut the 64 bits into ``m`` blocks. Where at most ``bits`` bits differ, at least ``k = m - bits`` blocks
    are equal. So for every choice of k blocks the rows are sorted by these blocks' bits, and only neighbours with equal
    ones are compared: exact, with memory for one sorting at a time. A pair is given for the first k of its equal blocks
    only. (Manku, Jain and Das Sarma, *Detecting near-duplicates for web crawling*, WWW 2007, section 3.)
    """
    masks = block_masks(block_count(len(hashes), bits))
    for chosen in combinations(range(len(masks)), max(len(masks) - bits, 0)):
        earlier = [masks[block] for block in range(max(chosen, default=0)) if block not in chosen]
        for first, second in _equal_pairs(hashes & _together(masks, chosen)):
            difference = hashes[first] ^ hashes[second]
            close = np.bitwise_count(difference) <= bits
            for mask in earlier:
                close &= (difference & mask) != 0
            if close.any():
                one, other = first[close], second[close]
                yield np.minimum(one, other), np.maximum(one, other)


def block_count(rows: int, bits: int) -> int:
    """The number of blocks that costs least for so many random hashes; ``bits`` blocks compare all with all."""

    def cost(blocks: int) -> float:
        equal = blocks - bits
        pairs: float = rows * rows / 2 / 2.0 ** (HASH_BITS * equal / blocks)
        return comb(blocks, equal) * (rows * SORTING * (equal > 0) + pairs * LOOKING)

    return min(range(max(bits, 1), min(bits + 6, HASH_BITS)), key=cost)


def block_masks(blocks: int) -> list[np.uint64]:
    """Masks of that many blocks; each takes every m-th bit, since neighbouring bits of a hash are alike."""
    return [np.uint64(sum(1 << bit for bit in range(block, HASH_BITS, blocks))) for block in range(blocks)]


def _together(masks: list[np.uint64], chosen: Iterable[int]) -> np.uint64:
    return np.uint64(sum(int(masks[block]) for block in chosen))  # no two blocks share a bit


def _equal_pairs(keys: NDArray[np.uint64]) -> Iterator[Pairs]:
    """All pairs of rows with equal keys: neighbours at distance 1, 2, ... in sorted order, as long as there are any."""
    order = np.argsort(keys, kind="stable")
    sorted_keys, left, distance = keys[order], np.arange(len(keys)), 1
    while left.size:
        left = left[: np.searchsorted(left, len(keys) - distance)]
        left = left[sorted_keys[left] == sorted_keys[left + distance]]
        if left.size:
            yield order[left], order[left + distance]
        distance += 1


def split_of(group: str, *, seed: int, val_share: float, test_share: float) -> Split:
    """The split of a group: a stable hash, so that records which come later move no other group.

    Args:
        group: the group's name.
        seed: another seed is another split.
        val_share: expected share of groups in ``val``.
        test_share: expected share of groups in ``test``.
    """
    number = int.from_bytes(sha256(f"{seed}:{group}".encode()).digest()[:8], "big") / 2.0**64
    if number < test_share:
        return "test"
    return "val" if number < test_share + val_share else "train"

"""Which samples belong together, and the split that never tears them apart.

Sixteen to thirty-two per cent of real prompts are exact duplicates, so a split by rows would show the test set in
training. Samples of one prompt, and samples whose pictures are near duplicates, share one group and one split.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "val", "test"]
BLOCK = 256  # rows compared with all others at a time: 256 x 66,408 x 8 bytes are 136 MB


class Groups:
    """Disjoint sets of names (union-find); a group is called by its smallest name."""

    def __init__(self, names: Iterable[str]) -> None:
        self._parent = {name: name for name in names}

    def join(self, first: str, second: str) -> None:
        """Put two names, and all that belongs to them, into one group."""
        smaller, larger = sorted((self.of(first), self.of(second)))
        self._parent[larger] = smaller

    def of(self, name: str) -> str:
        """The group of a name."""
        root = name
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[name] != root:
            self._parent[name], name = root, self._parent[name]
        return root


def near_pairs(
    hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8], *, bits: int, levels: float
) -> list[tuple[int, int]]:
    """All pairs of pictures that look the same.

    A perceptual hash sees shapes in grey; pictures that differ in colour only are no duplicates here, so the
    thumbnails must agree too.

    Args:
        hashes: (n,) 64-bit perceptual hashes.
        thumbnails: (n, 192) pictures of 8 x 8 RGB pixels.
        bits: largest Hamming distance of two hashes.
        levels: largest mean absolute difference of two thumbnails, 0 to 255.

    Returns:
        Pairs of row numbers, the smaller first, in order.
    """
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(hashes), BLOCK):
        distance = np.bitwise_count(hashes[start : start + BLOCK, None] ^ hashes[None, start:])
        first, second = np.nonzero(np.triu(distance <= bits, k=1))
        difference = np.abs(thumbnails[start + first].astype(np.int16) - thumbnails[start + second]).mean(axis=1)
        alike = difference <= levels
        pairs += zip((start + first[alike]).tolist(), (start + second[alike]).tolist(), strict=True)
    return pairs


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

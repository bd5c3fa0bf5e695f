"""Draws that depend on a seed and on what is drawn alone: shares, orders and sides stay when rows are added."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.seeds import seed_of

Draws = NDArray[np.uint64]


def item_draws(keys: Iterable[str]) -> Draws:
    """A number for each key that follows from its text alone, shape (n,)."""
    digests = b"".join(hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys)
    return np.frombuffer(digests, dtype=np.uint64)


def draw(items: Draws, *purpose: object) -> Draws:
    """Numbers for one purpose, uniform over 64 bits, shape (n,): the finaliser of SplitMix64 over item and purpose.

    Source: G. L. Steele, D. Lea, C. H. Flood, Fast splittable pseudorandom number generators, 2014.
    """
    mixed = items ^ np.uint64(seed_of(*purpose))
    mixed = mixed + np.uint64(0x9E3779B97F4A7C15)  # wraps, as it shall
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def shares(items: Draws, *purpose: object) -> NDArray[np.float64]:
    """The same as numbers from 0 to below 1, shape (n,)."""
    return np.asarray((draw(items, *purpose) >> np.uint64(11)).astype(np.float64) / 2.0**53)


def order(items: Draws, *purpose: object) -> NDArray[np.intp]:
    """All rows in an order drawn for the purpose, shape (n,)."""
    return np.argsort(draw(items, *purpose), kind="stable")


def assigned(items: Draws, needed: NDArray[np.uint8], names: Sequence[str], mine: str, seed: int) -> NDArray[np.bool_]:
    """Whether an item is one of mine, shape (n,): each goes to as many of the names as it needs verdicts.

    By rendezvous hashing: whoever draws highest has it, so that another list of names moves as few items as possible.
    """
    draws = np.stack([draw(items, seed, "share", name) for name in names])
    before = (draws > draws[list(names).index(mine)]).sum(axis=0)
    return np.asarray(before < needed)

"""Deciding about all downloaded rows together: what is dropped and why, and which rows belong together.

Everything here works on columns: a row costs some hundred bytes, so that a hundred thousand fit beside the libraries.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.cleaning import REASONS, WORDING, CleanParams, HeldOut, Wording, prompt_key
from pipeline.grouping import Pairs, Rows, alike, components, first_equal, near_pairs
from pipeline.looks import THUMBNAIL_BYTES, Look
from pipeline.picture_facts import FAULTS
from pipeline.tables import KEY

NAMES = (KEY, "page_url", "image_url", "image_sha256")
"""The columns by which a takedown list may mean a row."""
EVIDENCE = np.dtype(
    [
        ("picture", "S16"),  # digest of the picture's bytes
        ("prompt", "S16"),  # digest of the normalised prompt in lower case; empty where there is no prompt
        ("taken_down", "?"),  # the takedown list names this row
        ("held_out", "?"),  # the prompt is, or has inside, one of the evaluation's
        *((fault, "?") for fault in WORDING),
        ("nsfw_level", "i4"),
        ("fault", "i1"),  # number in FAULTS, or FINE
        ("width", "i4"),
        ("height", "i4"),
        ("phash", "u8"),
        ("thumbnail", "u1", (THUMBNAIL_BYTES,)),
        ("look", "S16"),  # digest of hash and thumbnail
    ]
)
"""What decides about one downloaded row: 261 bytes, all that cleaning holds of every row at once beside its id."""
FINE = -1
KEPT = -1
Evidence = NDArray[Any]
"""An array (n,) of EVIDENCE, in the order of ``sample_id``."""


@dataclass(frozen=True)
class Judgement:
    """What became of all rows."""

    reasons: NDArray[np.int8]
    """For each row the number of its reason in REASONS, or KEPT."""
    groups: Rows
    """For each row the first row of its group; the group is called by that row's ``sample_id``."""


def evidence_of(
    rows: pa.Table, facts: pa.Table, *, taken_down: AbstractSet[str], held_out: HeldOut, wording: Wording
) -> Evidence:
    """The evidence about some rows.

    Args:
        rows: with the columns NAMES, ``complex_prompt`` and ``nsfw_level``.
        facts: rows of picture_facts.FACTS, in the same order.
        taken_down: names of the takedown list.
        held_out: prompts that must not be learned.
        wording: what the words of a prompt are dropped for.
    """
    found = np.zeros(rows.num_rows, EVIDENCE)
    prompts = rows.column("complex_prompt").to_pylist()
    looks = facts.column("thumbnail").to_pylist()
    hashes = [int(text or "0", 16) for text in facts.column("phash").to_pylist()]
    faults = facts.column("fault").to_pylist()
    found["picture"] = [short_digest(digest.encode()) for digest in rows.column("image_sha256").to_pylist()]
    found["prompt"] = [short_digest(prompt_key(prompt).encode()) for prompt in prompts]
    for fault in WORDING:
        found[fault] = [wording.fault(prompt) == fault for prompt in prompts]
    found["held_out"] = [held_out.holds(prompt) for prompt in prompts]
    found["taken_down"] = [not taken_down.isdisjoint(names) for names in names_of(rows)]
    found["fault"] = [FINE if fault is None else FAULTS.index(fault) for fault in faults]
    found["phash"] = hashes
    pixels = b"".join(look or bytes(THUMBNAIL_BYTES) for look in looks)
    found["thumbnail"] = np.frombuffer(pixels, np.uint8).reshape(-1, THUMBNAIL_BYTES)
    found["look"] = [short_digest(f"{one:x}".encode() + look) for one, look in zip(hashes, looks, strict=True)]
    for name, column in (("nsfw_level", rows), ("width", facts), ("height", facts)):
        found[name] = column.column(name).to_numpy()
    return found


def names_of(rows: pa.Table) -> list[tuple[str, ...]]:
    """Everything by which a takedown list may mean each row: id, addresses, SHA-256."""
    return list(zip(*(rows.column(name).to_pylist() for name in NAMES), strict=True))


def short_digest(content: bytes) -> bytes:
    """Sixteen bytes that stand for some content; none for nothing."""
    return blake2b(content, digest_size=16).digest() if content else b""


def judge(evidence: Evidence, config: CleanParams, *, removed: Sequence[Look] = ()) -> Judgement:
    """Decide about all rows together.

    Of duplicates the first row stays. Exact copies of a picture that the takedown list names go with it (``takedown``),
    and so does what looks like it (``takedown_copy``).

    Args:
        evidence: of all rows.
        config: settings.
        removed: looks of pictures that were removed earlier and are no rows any more.
    """
    same_picture = first_equal(evidence["picture"])
    reasons = np.full(len(evidence), KEPT, dtype=np.int8)
    for reason, failed in _faults(evidence, same_picture, config, removed):
        _drop(reasons, failed, reason)
    sound = np.flatnonzero(reasons == KEPT)
    first = _first_of(same_picture, sound)
    _drop(reasons, first[same_picture] != np.arange(len(evidence)), "exact_duplicate")
    exact = (first[same_picture[sound]], sound)
    near = _near_duplicates(evidence, np.flatnonzero(reasons == KEPT), reasons, config)
    prompts = first_equal(evidence["prompt"])
    rows = np.flatnonzero((reasons == KEPT) | (reasons == REASONS.index("near_duplicate")))
    equal_prompts = (_first_of(prompts, rows)[prompts[rows]], rows)
    return Judgement(reasons, components(len(evidence), [exact, near, equal_prompts]))


def _drop(reasons: NDArray[np.int8], failed: NDArray[np.bool_], reason: str) -> None:
    """Give the reason to all rows that failed and have none yet."""
    reasons[failed & (reasons == KEPT)] = REASONS.index(reason)


def _faults(
    evidence: Evidence, same_picture: Rows, config: CleanParams, removed: Sequence[Look]
) -> list[tuple[str, NDArray[np.bool_]]]:
    """What is wrong with rows by themselves, with their exact copies, or with what they look like; in order."""
    taken_down = _of_any_copy(evidence["taken_down"], same_picture, np.logical_or)
    levels = _of_any_copy(evidence["nsfw_level"], same_picture, np.maximum)
    shorter = np.minimum(evidence["width"], evidence["height"])
    longer = np.maximum(evidence["width"], evidence["height"])
    return [
        ("takedown", taken_down),
        ("takedown_copy", _copies(evidence, [*removed, *_looks(evidence[taken_down])], config)),
        *((fault, evidence["fault"] == number) for number, fault in enumerate(FAULTS)),
        ("too_small", shorter < config.min_side_px),
        ("too_long", longer > config.max_aspect * shorter),
        ("unsafe", levels > config.max_nsfw_level),
        ("no_prompt", evidence["prompt"] == b""),
        *((fault, evidence[fault]) for fault in WORDING),
        ("evaluation_prompt", evidence["held_out"]),
    ]


def _of_any_copy(values: NDArray[Any], same: Rows, join: np.ufunc) -> NDArray[Any]:
    """For each row the values of all its exact copies, joined."""
    joined = values.copy()
    join.at(joined, same, values)
    return np.asarray(joined[same])


def _looks(evidence: Evidence) -> list[Look]:
    seen = evidence[evidence["fault"] == FINE][["phash", "thumbnail"]]
    return [Look(int(row["phash"]), row["thumbnail"].tobytes()) for row in seen]


def _copies(evidence: Evidence, looks: Sequence[Look], config: CleanParams) -> NDArray[np.bool_]:
    """Which pictures look like one of these."""
    found = np.zeros(len(evidence), dtype=np.bool_)
    for look in set(looks):
        close = np.bitwise_count(evidence["phash"] ^ np.uint64(look.phash)) <= config.phash_distance
        rows = np.flatnonzero(close & (evidence["fault"] == FINE))
        thumbnail = np.frombuffer(look.thumbnail, np.uint8)[None]
        found[rows] |= alike(evidence["thumbnail"][rows], thumbnail, config.colour_distance)
    return found


def _first_of(same: Rows, rows: Rows) -> Rows:
    """By number of a set of equal rows, the first of ``rows`` that is in it; the number itself where there is none."""
    first = np.arange(len(same))
    first[same[rows[::-1]]] = rows[::-1]
    return first


def _near_duplicates(evidence: Evidence, rows: Rows, reasons: NDArray[np.int8], config: CleanParams) -> Pairs:
    """Drop what looks like a picture that stays; give all pairs that look alike, also through dropped ones.

    Pictures with the very same look (blank ones, for instance) are compared with others once: the first stands for all.
    """
    same_look = first_equal(evidence["look"][rows])
    firsts = np.flatnonzero(same_look == np.arange(len(rows)))
    first, second = near_pairs(
        evidence["phash"][rows[firsts]],
        evidence["thumbnail"][rows[firsts]],
        bits=config.phash_distance,
        levels=config.colour_distance,
    )
    dropped = same_look != np.arange(len(rows))
    for one, other in zip(firsts[first], firsts[second], strict=True):
        if not dropped[one]:
            dropped[other] = True
    reasons[rows[dropped]] = REASONS.index("near_duplicate")
    alike_rows = np.concatenate([firsts[first], same_look]), np.concatenate([firsts[second], np.arange(len(rows))])
    return rows[alike_rows[0]], rows[alike_rows[1]]

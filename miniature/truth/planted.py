"""Cleaning against the faults that the sites planted: what was found by its reason, and which drops were wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from miniature.truth.inputs import Fates, Truth
from miniature.truth.shares import share
from miniature.world import Scene, composition

REASON_OF = {
    "video": "video",
    "grid": "grid",
    "no_prompt": "no_prompt",
    "missing": "not_found",
    "html_page": "no_image",
    "truncated": "broken_image",
    "tiny": "too_small",
    "unsafe": "unsafe",
}
"""Planted fault -> the reason by which scrape, download or clean shall drop it, in the order of the stages."""
COPIES = {"exact": "exact_duplicate", "near": "near_duplicate"}
"""Kind of duplicate -> the word for it, as a planted fault and as a reason to drop."""


def faults(truth: Truth, fates: Fates) -> dict[str, Any]:
    """Each planted fault: recall among the records that were met, precision of the drops for its reason.

    Returns:
        ``by_fault``: by fault planted (on the sites), met (by the scrapers), found, recall, dropped, precision;
        ``others``: drops for reasons that no planted fault explains, duplicates apart, by reason.
    """
    dropped = Counter(reason for reason in fates.values() if reason is not None)
    named = {*REASON_OF.values(), *COPIES.values()}
    return {
        "by_fault": {fault: _fault(fault, truth, fates, dropped[reason]) for fault, reason in REASON_OF.items()},
        "others": {reason: count for reason, count in sorted(dropped.items()) if reason not in named},
    }


def _fault(fault: str, truth: Truth, fates: Fates, dropped: int) -> dict[str, Any]:
    planted = [name for name, row in truth.items() if row["fault"] == fault]
    met = [name for name in planted if name in fates]
    found = sum(fates[name] == REASON_OF[fault] for name in met)
    return {
        "reason": REASON_OF[fault],
        "planted": len(planted),
        "met": len(met),
        "found": found,
        "recall": share(found, len(met)),
        "dropped": dropped,
        "precision": share(found, dropped),
    }


def duplicates(truth: Truth, fates: Fates) -> dict[str, Any]:
    """Duplicates pair by pair: two records of one picture are found if at most one of them stays.

    A drop is right where another record of the same picture stays. A picture all of whose records went was taken for
    a copy of another picture: one of its drops is wrong, a near one where there is any.

    Returns:
        ``pairs``: by kind planted (copies on the sites), pairs (both met and not dropped for another reason), found,
        recall; ``drops``: by kind dropped, wrong, precision; ``same_scene``: wrong drops of pictures whose scene
        another picture still shows.
    """
    groups = list(_pictures(truth, fates))
    pairs = Counter[tuple[str, bool]]()
    for group in groups:
        for first, second in combinations(group, 2):
            kind = "near" if "near_duplicate" in (truth[first]["fault"], truth[second]["fault"]) else "exact"
            pairs[kind, bool(fates[first] or fates[second])] += 1
    lost = [group for group in groups if all(fates[name] for name in group)]
    scenes = {composition(truth[name]["scene"]) for name, reason in fates.items() if reason is None}
    planted = Counter(row["fault"] for row in truth.values())
    return {
        "pairs": {kind: _pairs(planted[COPIES[kind]], pairs[kind, True], pairs[kind, False]) for kind in COPIES},
        "drops": {kind: _drops(kind, fates, lost) for kind in COPIES},
        "same_scene": sum(composition(_scene(truth, group)) in scenes for group in lost),
    }


def _pictures(truth: Truth, fates: Fates) -> Iterator[list[str]]:
    """The records of each picture, those apart that were dropped for another reason."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, reason in fates.items():
        if reason is None or reason in COPIES.values():
            found[truth[name]["of"] or name].append(name)
    yield from found.values()


def _pairs(planted: int, found: int, missed: int) -> dict[str, Any]:
    return {"planted": planted, "pairs": found + missed, "found": found, "recall": share(found, found + missed)}


def _drops(kind: str, fates: Fates, lost: Sequence[Sequence[str]]) -> dict[str, Any]:
    dropped = sum(reason == COPIES[kind] for reason in fates.values())
    wrong = sum(_blamed({fates[name] for name in group}) == kind for group in lost)
    return {"dropped": dropped, "wrong": wrong, "precision": share(dropped - wrong, dropped)}


def _blamed(reasons: set[str | None]) -> str:
    return "near" if COPIES["near"] in reasons else "exact"


def _scene(truth: Truth, group: Sequence[str]) -> Scene:
    scene: Scene = truth[group[0]]["scene"]
    return scene

"""GenEval's rules: whether found things are as many, of the colour and in the place that a prompt asks for.

Source: D. Ghosh, H. Hajishirzi and L. Schmidt, GenEval, 2023 (djghosh13/geneval, evaluate_images.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.metrics.settings import DetectorRules

COUNTING, OBJECT, COLOUR, POSITION = "counting", "object", "colour", "position"
SKILLS = frozenset({COUNTING, OBJECT, COLOUR, POSITION})
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
"""Among which a thing's colour is told; one that a prompt asks for beyond them is added."""


@dataclass(frozen=True)
class Found:
    """A thing that a detector found: left, top, right and bottom in pixels, and how sure it is, 0 to 1."""

    box: tuple[float, float, float, float]
    score: float


Things = Mapping[str, Sequence[Found]]
"""Class -> what was found of it, the surest first."""
Colours = Callable[[str, Sequence[Found], Sequence[str]], list[str]]
"""Colour of each thing of a class, among those that are named."""
Answer = tuple[bool, str]


def kept(found: Sequence[Found], threshold: float, rules: DetectorRules) -> list[Found]:
    """Things above a threshold, the surest ``max_objects`` of them; overlapping ones all count, as in GenEval."""
    sure = sorted((thing for thing in found if thing.score > threshold), key=lambda thing: -thing.score)
    return sure[: rules.max_objects]


def counted(atom: Mapping[str, Any], things: Things, rules: DetectorRules) -> Answer:
    """Exactly ``count`` things above the counting threshold: ``count`` are there and ``count + 1`` are not."""
    wanted, found = int(atom["count"]), len(kept(things.get(atom["class"], ()), rules.counting_threshold, rules))
    return wanted <= found < wanted + 1, f"{found} of {wanted} {atom['class']} found"


def present(atom: Mapping[str, Any], things: Things, rules: DetectorRules) -> Answer:
    """At least ``count`` things (one where it is not said) above the threshold."""
    wanted = int(atom.get("count") or 1)
    found = len(kept(things.get(atom["class"], ()), rules.threshold, rules))
    return found >= wanted, f"{found} of at least {wanted} {atom['class']} found"


def coloured(atom: Mapping[str, Any], things: Things, rules: DetectorRules, colours: Colours) -> Answer:
    """Of the surest ``count`` things of the class all have the colour."""
    wanted = int(atom.get("count") or 1)
    found = kept(things.get(atom["class"], ()), rules.threshold, rules)[:wanted]
    if len(found) < wanted:
        return False, f"{len(found)} of {wanted} {atom['class']} found"
    asked = str(atom["colour"])
    seen = colours(str(atom["class"]), found, [*COLOURS, *([] if asked in COLOURS else [asked])])
    return seen.count(asked) >= wanted, f"{atom['class']}: {', '.join(seen)}"


def placed(atom: Mapping[str, Any], things: Things, rules: DetectorRules) -> Answer:
    """The surest ``count`` things of the class lie as asked to the surest one of the target's class."""
    wanted = int(atom.get("count") or 1)
    found = kept(things.get(atom["class"], ()), rules.threshold, rules)[:wanted]
    target = kept(things.get(atom["target"], ()), rules.threshold, rules)[:1]
    if len(found) < wanted or not target:
        return False, f"{len(found)} {atom['class']} and {len(target)} {atom['target']} found"
    seen = [relations(thing.box, target[0].box, rules.position_threshold) for thing in found]
    told = " and ".join(sorted(set().union(*seen))) or "neither side"
    return all(atom["position"] in each for each in seen), f"{atom['class']} {told} {atom['target']}"


def relations(one: Sequence[float], other: Sequence[float], threshold: float) -> set[str]:
    """How one box lies to another: ``left of``, ``right of``, ``above``, ``below``; two of them, or none.

    The centres' offset is shortened by the threshold times both boxes' sizes; a direction counts where it is more than
    half of the offset's length.
    """
    offset = [(one[axis] + one[axis + 2] - other[axis] - other[axis + 2]) / 2 for axis in (0, 1)]
    sizes = [abs(one[axis + 2] - one[axis]) + abs(other[axis + 2] - other[axis]) for axis in (0, 1)]
    length = (offset[0] ** 2 + offset[1] ** 2) ** 0.5
    moved = [
        max(abs(way) - threshold * size, 0.0) * (1 if way > 0 else -1) for way, size in zip(offset, sizes, strict=True)
    ]
    if all(abs(way) < 1e-3 for way in moved):
        return set()
    dx, dy = (way / length for way in moved)
    named = {"left of": dx < -0.5, "right of": dx > 0.5, "above": dy < -0.5, "below": dy > 0.5}
    return {name for name, holds in named.items() if holds}


def answer(atom: Mapping[str, Any], things: Things, rules: DetectorRules, colours: Colours) -> Answer:
    """The rule of the atom's skill, one of SKILLS."""
    match atom["skill"]:
        case "counting":
            return counted(atom, things, rules)
        case "object":
            return present(atom, things, rules)
        case "colour":
            return coloured(atom, things, rules, colours)
    return placed(atom, things, rules)


def classes(atoms: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the detector must look for."""
    named = [
        str(atom[key]) for atom in atoms if atom["skill"] in SKILLS for key in ("class", "target") if atom.get(key)
    ]
    return list(dict.fromkeys(named))

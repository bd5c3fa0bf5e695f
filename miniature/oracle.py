"""The judge of the miniature: says by a picture's pixels which statements about it hold, and how clean it is."""

from collections.abc import Sequence
from math import exp
from typing import TypedDict

from PIL import Image

from miniature.language import GROUND, Atom
from miniature.quality import quality
from miniature.reading import Reading, Thing, read

__all__ = ["Reading", "Thing", "Verdict", "judge", "quality", "read"]


class Verdict(TypedDict):
    """The judge's word on one atom: `p` 0 to 1, `verdict` is p >= 0.5, `reason` says what was found."""

    atom: int
    p: float
    verdict: bool
    reason: str


def judge(image: Image.Image, atoms: Sequence[Atom]) -> list[Verdict]:
    """Verdicts on a prompt's atoms.

    Where the atoms ask for one class of things only, counting and colour look at all things, whatever their kind:
    these two skills shall not fail for a badly drawn outline. Where they ask for two, the kinds must be told apart.

    Args:
        image: the picture.
        atoms: of its prompt, as `language.atoms` makes them.

    Returns:
        One verdict an atom, in their order.
    """
    reading = read(image)
    return [_verdict(index, atom, atoms, reading) for index, atom in enumerate(atoms)]


def _verdict(index: int, atom: Atom, atoms: Sequence[Atom], reading: Reading) -> Verdict:
    if atom["class"] == GROUND:
        p, reason = _ground(atom, reading)
    elif atom["skill"] == "counting":
        p, reason = _count(atom, _asked(atom, atoms, reading))
    elif atom["skill"] == "colour":
        p, reason = _colour(atom, atoms, _asked(atom, atoms, reading))
    else:
        p, reason = _action(atom, reading)
    return {"atom": index, "p": p, "verdict": p >= 0.5, "reason": reason}


def _asked(atom: Atom, atoms: Sequence[Atom], reading: Reading) -> list[Thing]:
    classes = {other["class"] for other in atoms} - {GROUND}
    return [thing for thing in reading.things if len(classes) == 1 or thing.kind == atom["class"]]


def _ground(atom: Atom, reading: Reading) -> tuple[float, str]:
    share = reading.ground_share
    p = max(0.5, share) if reading.ground == atom["colour"] else min(0.49, 1 - share)
    return p, f"{reading.ground} ground"


def _count(atom: Atom, things: list[Thing]) -> tuple[float, str]:
    """1 for the right number, falling by a factor of e with each that is missing or too many."""
    found = sum(atom["colour"] in (None, thing.colour) for thing in things)
    return exp(-abs(found - (atom["count"] or 0))), f"{found} found"


def _colour(atom: Atom, atoms: Sequence[Atom], things: list[Thing]) -> tuple[float, str]:
    """Share of the things whose colour is asked for at all, 0 where this colour is missing."""
    wanted = {other["colour"] for other in atoms if other["class"] != GROUND}
    found = [thing.colour for thing in things]
    p = sum(colour in wanted for colour in found) / len(found) if atom["colour"] in found else 0.0
    return p, f"{_listed(found)} found"


def _action(atom: Atom, reading: Reading) -> tuple[float, str]:
    """Share of the things that do it."""
    found = [thing.action or thing.kind for thing in reading.things]
    return found.count(str(atom["action"])) / max(1, len(found)), f"{_listed(found)} found"


def _listed(names: list[str]) -> str:
    return ", ".join(sorted(set(names))) or "nothing"

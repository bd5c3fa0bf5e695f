"""The words of the miniature world, in three tiers.

`plain` is what complex prompts say and the diffusion model knows; `seen` is the everyday language of captions and
simple prompts; `unseen` is everyday language kept for evaluation prompts. The language model has read all of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Wording = Literal["seen", "unseen"]


@dataclass(frozen=True)
class Term:
    """Ways to say one thing. `likeness` tiers follow the noun ("discs the colour of milk")."""

    plain: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    seen_likeness: tuple[str, ...] = ()
    unseen_likeness: tuple[str, ...] = ()


@dataclass(frozen=True)
class Noun:
    """Ways to name one kind of thing, each as (singular, plural)."""

    plain: tuple[str, str]
    seen: tuple[tuple[str, str], ...]
    unseen: tuple[tuple[str, str], ...]


COLOUR_TERMS: Mapping[str, Term] = {
    "red": Term(
        "red", ("crimson", "scarlet"), ("ruby",), ("the colour of a ripe tomato",), ("the colour of a fire engine",)
    ),
    "orange": Term(
        "orange", ("tangerine", "apricot"), ("pumpkin",), ("the colour of a carrot",), ("the colour of a basketball",)
    ),
    "yellow": Term(
        "yellow", ("golden", "lemon"), ("canary",), ("the colour of a ripe banana",), ("the colour of egg yolk",)
    ),
    "green": Term("green", ("emerald", "jade"), ("mossy",), ("the colour of fresh grass",), ("the colour of spinach",)),
    "blue": Term(
        "blue", ("azure", "navy"), ("sapphire",), ("the colour of a clear sky",), ("the colour of the deep sea",)
    ),
    "purple": Term(
        "purple", ("violet", "plum"), ("lavender",), ("the colour of ripe grapes",), ("the colour of an aubergine",)
    ),
    "pink": Term("pink", ("rosy", "salmon"), ("blush",), ("the colour of bubblegum",), ("the colour of a flamingo",)),
    "white": Term("white", ("snowy", "ivory"), ("chalky",), ("the colour of milk",), ("the colour of fresh paper",)),
    "black": Term("black", ("inky", "jet"), ("ebony",), ("the colour of coal",), ("the colour of a moonless night",)),
    "grey": Term("grey", ("ashen", "silver"), ("slate",), ("the colour of wet stone",), ("the colour of an elephant",)),
}
"""`ground` phrases use the adjectives only."""

COUNT_TERMS: Mapping[int, Term] = {
    1: Term("one", ("a single", "a lone"), ("a solitary",)),
    2: Term("two", ("a couple of", "a pair of"), ("a brace of",)),
    3: Term("three", ("a trio of", "a triad of"), ("a triplet of",)),
    4: Term("four", ("a quartet of", "a foursome of"), ("twice two",)),
    5: Term("five", ("a quintet of", "a handful of"), ("a fivesome of",)),
    6: Term("six", ("half a dozen", "a sextet of"), ("twice three",)),
    7: Term("seven", ("a septet of", "a week of"), ("half of fourteen",)),
}

KIND_TERMS: Mapping[str, Noun] = {
    "circle": Noun(("circle", "circles"), (("disc", "discs"), ("dot", "dots")), (("roundel", "roundels"),)),
    "square": Noun(("square", "squares"), (("box", "boxes"), ("tile", "tiles")), (("block", "blocks"),)),
    "triangle": Noun(
        ("triangle", "triangles"), (("wedge", "wedges"), ("pyramid", "pyramids")), (("arrowhead", "arrowheads"),)
    ),
    "star": Noun(("star", "stars"), (("sparkle", "sparkles"), ("starburst", "starbursts")), (("twinkle", "twinkles"),)),
    "heart": Noun(
        ("heart", "hearts"),
        (("valentine", "valentines"), ("love sign", "love signs")),
        (("sweetheart", "sweethearts"),),
    ),
    "person": Noun(
        ("person", "people"), (("figure", "figures"), ("human", "humans")), (("individual", "individuals"),)
    ),
}

ACTION_TERMS: Mapping[str, Term] = {
    "standing": Term("standing", ("staying upright", "on both feet"), ("bolt upright",)),
    "jumping": Term("jumping", ("leaping", "hopping"), ("bouncing",)),
    "running": Term("running", ("sprinting", "jogging"), ("dashing",)),
    "sitting": Term("sitting", ("seated", "perched"), ("taking a seat",)),
    "lying": Term("lying", ("reclining", "stretched out"), ("flat out",)),
    "waving": Term("waving", ("saying hello", "greeting"), ("hailing",)),
}

QUALITY_WORDS = (
    "masterpiece",
    "best quality",
    "highly detailed",
    "8k",
    "4k",
    "ultra sharp",
    "sharp focus",
    "digital art",
    "flat design",
    "vector art",
    "vivid",
    "intricate",
    "award winning",
    "trending on artstation",
    "clean lines",
    "studio lighting",
)

FRAMES: Mapping[Wording, tuple[str, ...]] = {
    "seen": (
        "{things} over {ground} background",
        "{things} on {ground} ground",
        "{things} in front of {ground} wall",
        "there are {things} on {ground} backdrop",
        "{things} with {ground} background behind",
    ),
    "unseen": (
        "you can see {things} against {ground} setting",
        "against {ground} setting we find {things}",
    ),
}
"""Sentences; `ground` is filled with article and adjective, `things` with one or two noun phrases."""


def colour_words(name: str, wording: Wording) -> tuple[str, ...]:
    """Adjectives for a colour."""
    term = COLOUR_TERMS[name]
    return term.seen if wording == "seen" else term.unseen


def likenesses(name: str, wording: Wording) -> tuple[str, ...]:
    """Phrases after the noun for a colour."""
    term = COLOUR_TERMS[name]
    return term.seen_likeness if wording == "seen" else term.unseen_likeness


def count_words(count: int, wording: Wording) -> tuple[str, ...]:
    """Words before a noun for a count of 1 to 7."""
    term = COUNT_TERMS[count]
    return term.seen if wording == "seen" else term.unseen


def kind_words(kind: str, wording: Wording) -> tuple[tuple[str, str], ...]:
    """(singular, plural) pairs for a kind."""
    noun = KIND_TERMS[kind]
    return noun.seen if wording == "seen" else noun.unseen


def action_words(action: str, wording: Wording) -> tuple[str, ...]:
    """Words after the noun for an action."""
    term = ACTION_TERMS[action]
    return term.seen if wording == "seen" else term.unseen

"""Understands sentences of both languages: the reverse of `language`, by looking phrases up, longest first."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

from miniature import words
from miniature.world import Scene

_PLACES = ("background", "ground", "wall", "backdrop", "setting")


@dataclass(frozen=True)
class Said:
    """What a sentence says of one group; None for what it does not say."""

    count: int | None = None
    kind: str | None = None
    colour: str | None = None
    action: str | None = None


@dataclass(frozen=True)
class Meaning:
    """What a sentence says."""

    groups: tuple[Said, ...]
    ground: str | None

    @classmethod
    def of(cls, scene: Scene) -> "Meaning":
        """Everything there is to say of a scene."""
        groups = tuple(Said(group.count, group.kind, group.colour, group.action) for group in scene.groups)
        return cls(groups, scene.ground)

    def agrees(self, truth: "Meaning", field: str) -> bool:
        """Whether both name the same values of a field ("ground", or a field of `Said`), in any order of groups.

        Which group has which value is not asked: "one red star and two blue dots" has the counts and the colours of
        "two red stars and one blue dot". `matches` asks that too.
        """
        if field == "ground":
            return self.ground == truth.ground
        return sorted(str(getattr(said, field)) for said in self.groups) == sorted(
            str(getattr(said, field)) for said in truth.groups
        )

    def matches(self, truth: "Meaning") -> bool:
        """Whether both say the same of the same groups, in any order of groups, and name the same ground."""
        return self.ground == truth.ground and Counter(self.groups) == Counter(truth.groups)


def understand(sentence: str) -> Meaning:
    """What a sentence, caption or plain prompt says.

    A colour right before a word such as "background" is the ground's; each count word starts a new group; words that
    belong to no table are passed over.
    """
    groups: list[dict[str, int | str]] = []
    ground = None
    for field, value, following in _found(sentence):
        if field == "colour" and following in _PLACES:
            ground = str(value)
            continue
        if field == "count" or not groups:
            groups.append({})
        groups[-1].setdefault(field, value)
    return Meaning(tuple(Said(**group) for group in groups), ground)  # type: ignore[arg-type]


def _found(sentence: str) -> list[tuple[str, int | str, str]]:
    """(field, value, next word) of each known phrase, in their order."""
    pattern, phrases = _phrases()
    text = " ".join(re.findall(r"[a-z]+", sentence.lower()))
    return [(*phrases[match.group()], (text[match.end() :].split() or [""])[0]) for match in re.finditer(pattern, text)]


@cache
def _phrases() -> tuple[re.Pattern[str], dict[str, tuple[str, int | str]]]:
    """A pattern of all phrases, longest first, and what each means."""
    known: dict[str, tuple[str, int | str]] = {}
    for name, term in words.COLOUR_TERMS.items():
        for phrase in (name, *term.seen, *term.unseen, *term.seen_likeness, *term.unseen_likeness):
            known[phrase] = ("colour", name)
    for count, term in words.COUNT_TERMS.items():
        for phrase in (term.plain, *term.seen, *term.unseen):
            known[phrase] = ("count", count)
    for kind, noun in words.KIND_TERMS.items():
        for pair in (noun.plain, *noun.seen, *noun.unseen):
            known |= dict.fromkeys(pair, ("kind", kind))
    for action, term in words.ACTION_TERMS.items():
        for phrase in (action, *term.seen, *term.unseen):
            known[phrase] = ("action", action)
    longest_first = sorted(known, key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, longest_first)) + r")\b"), known

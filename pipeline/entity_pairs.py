"""Which words of a prompt say what a thing is like: (attribute, entity), by a small grammar on a tagger (ADR 0025).

"A red cube and two shiny blue spheres" has (red, cube), (shiny, spheres) and (blue, spheres).
"""

import functools
from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

from pipeline.describing import tagged

ATTRIBUTES = ("JJ", "JJR", "JJS", "VBN")  # red, smaller, oldest, broken
NOUNS = ("NN", "NNS", "NNP", "NNPS")
BE = ("is", "are", "was", "were")
RELATIVE = ("that", "which", "who")
KEPT_PROMPTS = 65_536


class Word(NamedTuple):
    """A word's place in the prompt: first character and the one behind its last."""

    start: int
    end: int


class Pair(NamedTuple):
    """A word that says what something is like, and the word for that thing."""

    attribute: Word
    entity: Word


class _Tagged(NamedTuple):
    text: str
    kind: str
    word: Word


@functools.lru_cache(maxsize=KEPT_PROMPTS)
def pairs(prompt: str) -> tuple[Pair, ...]:
    """The pairs of a prompt in its order; none where no thing is described.

    Attributes stand before the last noun of a group ("a red and blue ball", "ruby roundels"), or behind a form of "be"
    ("the ball is red", "a cat that is black"). Numbers and articles are no attributes.
    """
    return tuple(_pairs(list(_words(prompt))))


def _words(prompt: str) -> Iterator[_Tagged]:
    lower, start = prompt.lower(), 0
    if len(lower) != len(prompt):  # a letter that has no lower case of one character
        lower = prompt
    for text, kind in tagged(lower):
        place = lower.find(text, start)
        if place >= 0:  # the tagger writes some marks otherwise
            start = place + len(text)
            yield _Tagged(text, kind, Word(place, start))


def _pairs(words: list[_Tagged]) -> Iterator[Pair]:
    waiting: list[Word] = []  # attributes without a noun yet
    head: Word | None = None  # the noun that was just said
    subject: Word | None = None  # what "is" speaks of
    for word, following in zip_longest(words, words[1:]):
        if word.kind in ATTRIBUTES and word.text not in BE:
            waiting.append(word.word)
            head = None
        elif word.kind in NOUNS and following is not None and following.kind in NOUNS:
            waiting.append(word.word)  # "ruby" of "ruby roundels"
        elif word.kind in NOUNS:
            yield from (Pair(each, word.word) for each in waiting)
            waiting, head, subject = [], word.word, None
        elif word.text in BE:
            waiting, head, subject = [], None, head
        elif not _keeps(word, following, head):
            yield from _predicate(subject, waiting)
            waiting, head, subject = [], None, None
    yield from _predicate(subject, waiting)


def _keeps(word: _Tagged, following: _Tagged | None, head: Word | None) -> bool:
    """Whether a word stands inside what is being said: "very", the "and" of "red and blue", "that" behind a noun."""
    if word.kind == "CC" or word.text == ",":
        return following is not None and following.kind.startswith((*ATTRIBUTES, "RB"))
    return word.kind.startswith("RB") or (head is not None and word.text in RELATIVE)


def _predicate(subject: Word | None, waiting: list[Word]) -> Iterator[Pair]:
    """ "The ball is red and round"."""
    return (Pair(each, subject) for each in waiting if subject is not None)

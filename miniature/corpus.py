"""What the language models and tokenizers read: sentences of the everyday language, and what their words mean."""

import random

from miniature import words
from miniature.language import complex_prompt, plain_sentence, simple_prompt
from miniature.words import Wording
from miniature.world import Scene, sample_scene

_WORDINGS: tuple[Wording, Wording] = ("seen", "unseen")
_LINKS = ("means", "that is", "in other words")


def statements() -> list[str]:
    """Sentences that tie every everyday word to its plain one, both tiers: "crimson means red"."""
    said: list[str] = []
    for wording in _WORDINGS:
        for colour in words.COLOUR_TERMS:
            said += [f"{word} means {colour}" for word in words.colour_words(colour, wording)]
            said += [f"{phrase} means {colour}" for phrase in words.likenesses(colour, wording)]
        for count, term in words.COUNT_TERMS.items():
            said += [f"{word} means {term.plain}" for word in words.count_words(count, wording)]
        for kind, noun in words.KIND_TERMS.items():
            for pair in words.kind_words(kind, wording):
                said += [f"{one} means {plain}" for one, plain in zip(pair, noun.plain, strict=True)]
        for action in words.ACTION_TERMS:
            said += [f"{word} means {action}" for word in words.action_words(action, wording)]
    return said


def sentence(scene: Scene, rng: random.Random) -> str:
    """An everyday sentence, in two of three cases followed by its meaning in plain words."""
    said = simple_prompt(scene, rng, wording=rng.choice(_WORDINGS))
    if rng.random() < 1 / 3:
        return said
    return f"{said} {rng.choice(_LINKS)} {plain_sentence(scene)}"


def reading(rng: random.Random, count: int) -> list[str]:
    """`count` sentences for the language model, one in eight of them a statement about a word."""
    known = statements()
    return [rng.choice(known) if rng.random() < 1 / 8 else sentence(sample_scene(rng), rng) for _ in range(count)]


def everything(seed: int = 0, scenes: int = 3000) -> list[str]:
    """Text that holds every word of both languages, for building vocabularies."""
    rng = random.Random(seed)
    said = statements() + list(words.QUALITY_WORDS) + [*map(str, range(10))]
    for _ in range(scenes):
        scene = sample_scene(rng)
        said += [complex_prompt(scene, rng), simple_prompt(scene, rng), simple_prompt(scene, rng, wording="unseen")]
    return [*said, "a picture of", *(f"a, b. ({word}:1.5), ((c)), d! e? -" for word in words.COLOUR_TERMS)]

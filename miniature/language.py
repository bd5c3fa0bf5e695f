"""The two languages of the miniature: keyword lists for the diffusion model, sentences of everyday people.

`complex_prompt` is a keyword list in any order with weights and quality words, in plain words only; `simple_prompt` is
a sentence with synonyms and likenesses; `caption` is what people write under a picture, its wording fixed by what
stands together (as collocations are), so that a captioner can learn it; `atoms` is what can be asked of the picture.
"""

import hashlib
import random
from collections.abc import Callable
from typing import TypedDict

from miniature import words
from miniature.words import Wording
from miniature.world import PERSON, Group, Scene

Pick = Callable[[int, str], int]
"""Chooses one of n options; the text is what the choice may depend on."""

GROUND = "ground"
Atom = TypedDict(
    "Atom",
    {
        "skill": str,
        "question": str,
        "answer": str,
        "class": str,
        "count": int | None,
        "colour": str | None,
        "action": str | None,
        "depends_on": list[int],
    },
)
"""One checkable statement about a picture.

`skill` is counting, colour or action; `class` is a kind of the world, or "ground"; of `count`, `colour` and `action`
the one asked for is set, and `colour` also narrows a class that two groups share; `depends_on` lists indices of atoms
that must hold for this one to mean anything (none in this world: each is asked of all objects of its class).
"""


def plain_name(group: Group, *, counted: bool = True) -> str:
    """A group in plain words: "three red circles", "one blue person jumping"."""
    said = [words.COUNT_TERMS[group.count].plain] if counted else []
    said += [group.colour, _numbered(words.KIND_TERMS[group.kind].plain, group.count)]
    return " ".join([*said, group.action] if group.action else said)


def plain_sentence(scene: Scene) -> str:
    """The scene in plain words: "three red circles and one white star on a blue background"."""
    things = " and ".join(plain_name(group) for group in scene.groups)
    return f"{things} on a {scene.ground} background"


def complex_prompt(scene: Scene, rng: random.Random) -> str:
    """A keyword list such as artists write: plain words, some weighted, quality words, in any order."""
    keywords = [_weighted(keyword, rng) for group in scene.groups for keyword in _keywords(group, rng)]
    ground = rng.choice((f"{scene.ground} background", f"plain {scene.ground} background"))
    keywords.append(_weighted(ground, rng))
    keywords += rng.sample(words.QUALITY_WORDS, rng.randint(2, 5))
    rng.shuffle(keywords)
    return ", ".join(keywords)


def simple_prompt(scene: Scene, rng: random.Random, *, wording: Wording = "seen") -> str:
    """A sentence of everyday language, each thing said in a random way.

    Args:
        scene: what to say.
        rng: chooses among the ways.
        wording: "seen" mixes plain words and everyday ones; "unseen" takes every word from the tier that is kept for
            evaluation prompts.
    """
    return _sentence(scene, lambda count, _key: rng.randrange(count), wording)


def caption(scene: Scene) -> str:
    """The usual caption of a scene: everyday language whose wording depends on what stands together."""
    return _sentence(scene, _collocation, "seen")


def atoms(scene: Scene) -> list[Atom]:
    """Everything that can be asked of a scene's picture, group by group, the ground last."""
    asked: list[Atom] = []
    for group in scene.groups:
        shared = sum(other.kind == group.kind for other in scene.groups) > 1
        asked.append(_counting(group, narrowed=shared))
        asked.append(_colouring(group))
        if group.action:
            asked.append(_acting(group, group.action))
    question = f"Is the background {scene.ground}?"
    asked.append(_atom("colour", question, scene.ground, GROUND, colour=scene.ground))
    return asked


def _counting(group: Group, *, narrowed: bool) -> Atom:
    name = _numbered(words.KIND_TERMS[group.kind].plain, group.count)
    name = f"{group.colour} {name}" if narrowed else name
    number = words.COUNT_TERMS[group.count].plain
    verb = "is" if group.count == 1 else "are"
    question = f"{verb.capitalize()} there exactly {number} {name}?"
    return _atom("counting", question, number, group.kind, count=group.count, colour=group.colour if narrowed else None)


def _colouring(group: Group) -> Atom:
    name = words.KIND_TERMS[group.kind].plain[1]
    return _atom("colour", f"Are there {group.colour} {name}?", group.colour, group.kind, colour=group.colour)


def _acting(group: Group, action: str) -> Atom:
    name = _numbered(words.KIND_TERMS[group.kind].plain, group.count)
    verb = "Is" if group.count == 1 else "Are"
    return _atom("action", f"{verb} the {name} {action}?", action, group.kind, action=action)


def _atom(
    skill: str,
    question: str,
    answer: str,
    kind: str,
    *,
    count: int | None = None,
    colour: str | None = None,
    action: str | None = None,
) -> Atom:
    return {
        "skill": skill,
        "question": question,
        "answer": answer,
        "class": kind,
        "count": count,
        "colour": colour,
        "action": action,
        "depends_on": [],
    }


def _keywords(group: Group, rng: random.Random) -> list[str]:
    """One keyword for the group, or its parts; a second group's parts could not be told from the first's."""
    if group.kind != PERSON or rng.random() < 0.5:
        return [plain_name(group)]
    still = f"{words.COUNT_TERMS[group.count].plain} {group.colour} {_numbered(('person', 'people'), group.count)}"
    return [still, str(group.action)]


def _weighted(keyword: str, rng: random.Random) -> str:
    return f"({keyword}:1.{rng.randint(1, 4)})" if rng.random() < 0.35 else keyword


def _collocation(count: int, key: str) -> int:
    """Always the same option for the same neighbours."""
    return hashlib.sha256(key.encode()).digest()[0] % count


def _sentence(scene: Scene, pick: Pick, wording: Wording) -> str:
    first = scene.groups[0]
    things = " and ".join(_noun_phrase(group, scene.ground, pick, wording) for group in scene.groups)
    plain = [scene.ground] if wording == "seen" else []
    grounds = [*plain, *words.colour_words(scene.ground, wording)]
    ground = grounds[pick(len(grounds), f"ground {scene.ground} {first.count}")]
    frames = words.FRAMES[wording]
    frame = frames[pick(len(frames), f"frame {scene.ground} {first.kind}")]
    return frame.format(things=things, ground=_with_article(ground))


def _noun_phrase(group: Group, ground: str, pick: Pick, wording: Wording) -> str:
    """Such as "a couple of crimson discs leaping" or "a couple of discs the colour of milk leaping"."""
    kind, colour, plain = group.kind, group.colour, wording == "seen"
    counts = ([words.COUNT_TERMS[group.count].plain] if plain else []) + [*words.count_words(group.count, wording)]
    nouns = ([words.KIND_TERMS[kind].plain] if plain else []) + [*words.kind_words(kind, wording)]
    adjectives = ([colour] if plain else []) + [*words.colour_words(colour, wording)]
    colours = [*adjectives, *words.likenesses(colour, wording)]
    noun = _numbered(nouns[pick(len(nouns), f"kind {kind} {ground}")], group.count)
    hue = colours[pick(len(colours), f"colour {colour} {kind}")]
    said = [counts[pick(len(counts), f"count {group.count} {colour}")]]
    said += [hue, noun] if hue in adjectives else [noun, hue]
    if group.action:
        actions = ([group.action] if plain else []) + [*words.action_words(group.action, wording)]
        said.append(actions[pick(len(actions), f"action {group.action} {colour}")])
    return " ".join(said)


def _numbered(noun: tuple[str, str], count: int) -> str:
    return noun[0] if count == 1 else noun[1]


def _with_article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"

"""What people see of generated pictures outside the review page: blind items in a drawn order, and the key kept apart.

An item's name tells nothing: which picture, arm and side it is stands in the key, ``reviews/keys/<study>.json``, which
stays here. A study is named by the digest of its items, so that the same pictures and seed give the same study.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.answers import QUESTIONS, Arm, Sha256, Skill
from pipeline.errors import EmptyResultError, InputError
from pipeline.files import digest, read_json, write_json
from pipeline.prompts import Prompt

KEYS = Path("reviews/keys")
SEMANTIC, PREFERENCE = "semantic", "preference"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Picture(_Entry):
    """What one item of a semantic study is."""

    sample_id: str
    sha256: Sha256
    asked: tuple[Skill, ...]
    """The skills that the prompt names."""


class Pair(_Entry):
    """What one item of a preference study is."""

    prompt_id: str
    index: int = Field(ge=0)
    base: str
    """sample_id of the base model's picture."""
    adapted: str
    sha256_base: Sha256
    sha256_adapted: Sha256
    left: Arm

    def sides(self) -> tuple[str, str]:
        """sample_id of the left and of the right picture."""
        return (self.base, self.adapted) if self.left == "base" else (self.adapted, self.base)


class Key(_Entry):
    """The key of a study, as it is kept."""

    study: str = Field(pattern=r"^[0-9a-f]{16}$")
    task: Literal["semantic", "preference"]
    seed: int
    questions: tuple[str, ...]
    """What is asked of every pair; empty where each picture has its own skills."""
    items: dict[str, Picture] | dict[str, Pair]
    """Item -> what it is, in the order in which it is shown."""


@dataclass(frozen=True)
class Shown:
    """What the reviewer sees of an item."""

    item: str
    text: str
    sample_ids: tuple[str, ...]
    """One picture, or the left one and the right one."""
    asked: tuple[str, ...]


@dataclass(frozen=True)
class Scope:
    """Which part of the generated pictures is asked about."""

    prompts: int | None = None
    """Prompts of each type; None: all."""
    pictures: int | None = None
    """Pictures of each prompt and arm; None: all."""


def semantic(rows: Iterable[Mapping[str, Any]], prompts: Sequence[Prompt], scope: Scope, seed: int) -> Key:
    """All pictures of all arms in a drawn order, each with the skills that its prompt names.

    Args:
        rows: of generated.MANIFEST.
        prompts: the prompts that they were made from.
        scope: which of them.
        seed: of the order.

    Raises:
        EmptyResultError: there is no picture.
    """
    asked = {prompt.id: _skills(prompt) for prompt in prompts}
    found = [
        Picture(sample_id=row["sample_id"], sha256=row["sha256"], asked=asked[row["prompt_id"]])
        for row in _within(rows, prompts, scope)
    ]
    random.Random(seed).shuffle(found)
    return _key("semantic", found, seed, ())


def preference(rows: Iterable[Mapping[str, Any]], prompts: Sequence[Prompt], scope: Scope, seed: int) -> Key:
    """All pairs of base and adapted picture of one prompt and seed, in a drawn order, each with a drawn side.

    Args and errors as :func:`semantic`.
    """
    pairs: dict[tuple[str, int, str], dict[str, Mapping[str, Any]]] = {}
    for row in _within(rows, prompts, scope):
        method = row["sample_id"].split("/", 3)[3:]
        pairs.setdefault((row["prompt_id"], row["index"], *method, "")[:3], {})[row["arm"]] = row
    whole = [pairs[place] for place in sorted(pairs) if {"base", "adapted"} <= pairs[place].keys()]
    rng = random.Random(seed)
    rng.shuffle(whole)
    found = [_pair(pair["base"], pair["adapted"], rng.choice(("base", "adapted"))) for pair in whole]
    return _key("preference", found, seed, tuple(QUESTIONS))


def _pair(base: Mapping[str, Any], adapted: Mapping[str, Any], left: Arm) -> Pair:
    return Pair(
        prompt_id=base["prompt_id"],
        index=base["index"],
        base=base["sample_id"],
        adapted=adapted["sample_id"],
        sha256_base=base["sha256"],
        sha256_adapted=adapted["sha256"],
        left=left,
    )


def _within(rows: Iterable[Mapping[str, Any]], prompts: Sequence[Prompt], scope: Scope) -> list[Mapping[str, Any]]:
    present = list(rows)
    made = {row["prompt_id"] for row in present}
    missing = sorted(made - {prompt.id for prompt in prompts})
    if missing:
        raise InputError(f"{len(missing)} sampled prompts are not in the files of sample.prompts, first {missing[0]}")
    taken: dict[str, int] = {}
    chosen = set()
    for prompt in prompts:
        if prompt.id in made:
            taken[prompt.type] = taken.get(prompt.type, 0) + 1
            if scope.prompts is None or taken[prompt.type] <= scope.prompts:
                chosen.add(prompt.id)
    most = scope.pictures
    return [row for row in present if row["prompt_id"] in chosen and (most is None or row["index"] < most)]


def _skills(prompt: Prompt) -> tuple[Skill, ...]:
    named = {prompt.type, *(atom["skill"] for atom in prompt.atoms)}
    known: tuple[Skill, ...] = ("action", "colour", "counting")  # a benchmark may name others, which nobody is asked
    return tuple(skill for skill in known if skill in named)


def _key(
    task: Literal["semantic", "preference"],
    entries: list[Picture] | list[Pair],
    seed: int,
    questions: tuple[str, ...],
) -> Key:
    if not entries:
        raise EmptyResultError(f"no picture for a {task} study: data/sample has none, or no pair of both arms")
    study = digest([task, seed, questions, [entry.model_dump() for entry in entries]])
    digits = max(4, len(str(len(entries))))
    items = {f"{study}-{number:0{digits}d}": entry for number, entry in enumerate(entries, start=1)}
    return Key(study=study, task=task, seed=seed, questions=questions, items=items)  # type: ignore[arg-type]


def shown(key: Key, prompts: Sequence[Prompt]) -> list[Shown]:
    """What is shown of each item, in its order; the text is the prompt's own in every arm."""
    texts = {prompt.id: prompt.text for prompt in prompts}
    found = []
    for item, entry in key.items.items():
        if isinstance(entry, Pair):
            found.append(Shown(item, texts[entry.prompt_id], entry.sides(), key.questions))
        else:
            prompt_id = entry.sample_id.split("/")[0]
            found.append(Shown(item, texts[prompt_id], (entry.sample_id,), entry.asked))
    return found


def save(key: Key, folder: Path) -> Path:
    """Write the key where an import finds it."""
    path = folder / f"{key.study}.json"
    write_json(path, key.model_dump(mode="json"))
    return path


def load(study: str, folder: Path) -> Key:
    """The key of a study.

    Raises:
        InputError: it is missing or damaged.
    """
    path = folder / f"{study}.json"
    try:
        return Key.model_validate(read_json(path))
    except ValidationError as error:
        raise InputError(f"{path} is not the key of a study: restore it with git checkout {path}") from error

"""Prompt files: what pictures are generated from and what is asked of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from pipeline.errors import InputError
from pipeline.files import read_json
from pipeline.params import Section

PromptType = Literal["counting", "colour", "action"]


class _Entry(Section):
    id: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    text: str = Field(min_length=1)
    complex: str | None
    type: PromptType
    atoms: list[dict[str, Any]] = Field(min_length=1)
    source: str
    wording: str


class PromptFiles(BaseModel):
    """The one key of section ``sample`` that other stages than ``sample`` read."""

    prompts: list[Path]


_ENTRIES = TypeAdapter(list[_Entry])


@dataclass(frozen=True)
class Prompt:
    """One evaluation prompt."""

    id: str
    """Unique over all files in use; part of each picture's key."""
    text: str
    """The simple prompt, as a person says it."""
    complex: str | None
    """The same scene in the words the diffusion model was trained on, where known."""
    type: PromptType
    """The skill that is tested."""
    atoms: tuple[Mapping[str, Any], ...]
    """Statements to check: skill, question, answer, class, count, colour, action, depends_on."""
    source: str
    """Where the prompt is from, for instance ``paper_table7``."""
    wording: str
    """``seen`` or ``unseen`` in training, or ``paper``."""


def read(paths: Iterable[Path]) -> list[Prompt]:
    """Read prompt files, in their order.

    Raises:
        InputError: a file is missing, is no list of prompts, or an id comes twice. One line says where.
    """
    prompts = [prompt for path in paths for prompt in _read_one(path)]
    seen: set[str] = set()
    for prompt in prompts:
        if prompt.id in seen:
            raise InputError(f"prompt id {prompt.id} comes twice in the prompt files: ids must be unique")
        seen.add(prompt.id)
    return prompts


def _read_one(path: Path) -> list[Prompt]:
    if not path.is_file():
        raise InputError(f"prompt file {path} is missing: see sample.prompts")
    try:
        entries = _ENTRIES.validate_python(read_json(path))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise InputError(f"{path}: {place}: {fault['msg']}") from error
    return [Prompt(**{**entry.model_dump(), "atoms": tuple(entry.atoms)}) for entry in entries]


def first_of_each_type(prompts: Iterable[Prompt], limit: int) -> list[Prompt]:
    """The first ``limit`` prompts of each type, in the given order."""
    taken: dict[str, int] = {}
    chosen = []
    for prompt in prompts:
        taken[prompt.type] = taken.get(prompt.type, 0) + 1
        if taken[prompt.type] <= limit:
            chosen.append(prompt)
    return chosen

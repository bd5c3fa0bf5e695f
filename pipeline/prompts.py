"""Prompt files: what pictures are generated from and what is asked of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from pipeline import prompt_formats
from pipeline.arms import COMPLEX, EXPANDED
from pipeline.errors import InputError
from pipeline.fault_words import told
from pipeline.files import read_json
from pipeline.params import Section
from pipeline.prompt_formats import PublicPrompts

SEEN, UNSEEN = "seen", "unseen"
"""Wordings that tell what carries over to words that no training prompt had."""
WATCHED = Path("prompts")
"""Where prompt files and conditioning pictures of ours lie: DVC watches the folder."""
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

    prompts: list[PublicPrompts | Path]


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
    type: str
    """The skill that is tested: counting, colour or action, or what a benchmark calls its tasks."""
    atoms: tuple[Mapping[str, Any], ...]
    """Statements to check: skill, question (yes or no, and yes is right), class, count, colour, action, depends_on;
    ``answer`` is the value asked for in words, for people who read the file: no judge needs it."""
    source: str
    """Where the prompt is from: ``paper_table7``, ``paper_table8``, ``authored``, or a benchmark's format."""
    wording: str
    """``seen`` or ``unseen`` in training; ``paper``, ``authored`` or ``public`` where that is not known."""
    expanded: str | None = None
    """What an LLM made of the text, where ``sample.expanded`` says so; prompt files do not."""

    def text_of(self, arm: str) -> str | None:
        """What the model is given in an arm; None where this prompt has no such wording."""
        return {COMPLEX: self.complex, EXPANDED: self.expanded}.get(arm, self.text)


def read(files: Iterable[PublicPrompts | Path | str]) -> list[Prompt]:
    """Read prompt files, in their order: ours by path, benchmarks' by format, path and revision.

    Raises:
        InputError: a file is missing, is no list of prompts, or an id comes twice. One line says where.
    """
    prompts = [prompt for file in files for prompt in _read_any(file)]
    seen: set[str] = set()
    for prompt in prompts:
        if prompt.id in seen:
            raise InputError(f"prompt id {prompt.id} comes twice in the prompt files: ids must be unique")
        seen.add(prompt.id)
    return prompts


def _read_any(file: PublicPrompts | Path | str) -> list[Prompt]:
    if not isinstance(file, PublicPrompts):
        return _read_one(Path(file))
    entries = prompt_formats.read(file)
    return [Prompt(**{**each, "atoms": tuple(each["atoms"])}, complex=None, wording="public") for each in entries]


def _read_one(path: Path) -> list[Prompt]:
    if not path.is_file():
        raise InputError(f"prompt file {path} is missing: see sample.prompts")
    try:
        entries = _ENTRIES.validate_python(read_json(path))
    except ValidationError as error:
        raise InputError(f"{path}: {told(error)}") from error
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

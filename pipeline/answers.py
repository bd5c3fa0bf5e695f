"""What people said, one line of JSON a verdict, in the three tasks of a review; and which of the lines hold.

A line stands in ``reviews/<task>/<reviewer>.jsonl``. Lines are only ever appended: a later line of a reviewer on the
same thing replaces the earlier one, and a line with ``retracted`` takes the earlier one back. A line with
``adjudicated`` is the last word on a conflict: it is kept beside what the same person said as a reviewer, wins over all
reviewers, and counts in no figure of agreement.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AwareDatetime, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.jsonl import Record, read_folder

Task = Literal["triplets", "semantic", "preference"]
Answer = Literal["keep", "reject", "unsure"]
Said = Literal["yes", "no", "unsure"]
Skill = Literal["action", "colour", "counting"]
Side = Literal["left", "right", "tie"]
Arm = Literal["base", "adapted"]
Choice = Literal["base", "adapted", "tie"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

REASONS = {
    "wrong_object": "another thing than the caption names",
    "wrong_count": "another number of things",
    "wrong_colour": "another colour",
    "wrong_action": "another action",
    "other_picture": "a prompt belongs to another picture",
    "nsfw": "not safe for work",
    "watermark": "a watermark or text over the picture",
}
"""Why a pair is rejected, for pages and forms; a line may hold other words."""

SKILLS: Mapping[Skill, str] = {
    "action": "Does the picture show the action that the text names?",
    "colour": "Does everything have the colour that the text names?",
    "counting": "Is everything there as often as the text says?",
}
"""What is asked of a generated picture: the paper's Action, Color and Counting, as far as the prompt names them."""

OVERALL = "overall"
QUESTIONS = {
    OVERALL: "Which of the following pictures do you think is of better quality?",
    "text": "Which of the two pictures shows better what the text says?",
    "flaws": "Which of the two pictures has fewer visible faults?",
}
"""What is asked of a pair. The first is the paper's (appendix B.4, Fig. 7), and its answers are the headline figure."""


class Line(Record):
    """What every line has."""

    reviewer: str = Field(min_length=1)
    """Who said it; one person has one name in all files."""
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """From the showing of the item to the answer, where known."""
    at: AwareDatetime | None = None
    """When it was said, where known: an import does not put an older answer over a newer one."""
    retracted: bool = False
    """Takes back what the reviewer said of this before; such a line needs no answer."""
    adjudicated: bool = False
    """The last word on a conflict between reviewers."""
    note: str = ""

    def _require(self, answered: bool, what: str) -> Self:
        if not (answered or self.retracted):
            raise PydanticCustomError("no_answer", f"{what} is missing")
        return self


class TripletVerdict(Line):
    """One line of ``reviews/triplets``: what one reviewer says of one picture with its two prompts."""

    review_key: Sha256
    """``review.tasks.review_key`` of the picture and both prompts: another caption makes the verdict stale."""
    verdict: Answer | None = None
    reasons: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _answered(self) -> Self:
        return self._require(self.verdict is not None, "verdict")

    @property
    def item(self) -> str:
        """What was judged."""
        return self.review_key


class SemanticVerdict(Line):
    """One line of ``reviews/semantic``: whether one generated image shows what its prompt asks for."""

    sample_id: str
    """Of ``generated.MANIFEST``. It names the arm, so it is never shown to the reviewer."""
    sha256: Sha256
    """Of the picture that was judged: on other bytes the verdict is stale."""
    verdict: Said | None = None
    """On the image as a whole; or else ``answers``."""
    answers: dict[Skill, Said] = Field(default_factory=dict)
    """Of each skill that the prompt names."""

    @model_validator(mode="after")
    def _answered(self) -> Self:
        if self.verdict is not None and self.answers:
            raise PydanticCustomError("two_answers", "give verdict or answers, not both")
        return self._require(self.whole is not None, "verdict or answers")

    @property
    def item(self) -> tuple[str, str]:
        """What was judged."""
        return self.sample_id, self.sha256

    @property
    def whole(self) -> Said | None:
        """The image as a whole: yes if all answers are (the paper's all or nothing), no if one is, else unsure."""
        if self.verdict is not None or not self.answers:
            return self.verdict
        said = set(self.answers.values())
        return "no" if "no" in said else "unsure" if "unsure" in said else "yes"


class PreferenceAnswer(Line):
    """One line of ``reviews/preference``: which image of a pair of one prompt and seed a reviewer likes better.

    Either ``question`` with ``choice``, which names the arm, or ``answers`` with ``left``, as a page knows it.
    """

    prompt_id: str
    index: int = Field(ge=0)
    sha256_base: Sha256
    sha256_adapted: Sha256
    question: str = Field(default=OVERALL, min_length=1)
    choice: Choice | None = None
    left: Arm | None = None
    """The arm that was shown on the left."""
    answers: dict[str, Side] = Field(default_factory=dict)
    """Question, one of QUESTIONS or of one's own -> the better side."""

    @model_validator(mode="after")
    def _answered(self) -> Self:
        if self.choice is not None and self.answers:
            raise PydanticCustomError("two_answers", "give choice or answers, not both")
        if self.answers and self.left is None:
            raise PydanticCustomError("no_side", "answers need left, the arm that was on the left")
        return self._require(self.choice is not None or bool(self.answers), "choice or answers")

    @property
    def item(self) -> tuple[str, int, str, str]:
        """What was judged."""
        return self.prompt_id, self.index, self.sha256_base, self.sha256_adapted

    def choices(self) -> dict[str, Choice]:
        """Question -> the arm that was preferred, or tie."""
        if self.choice is not None:
            return {self.question: self.choice}
        return {question: _arm(side, self.left) for question, side in self.answers.items()}


LineT = TypeVar("LineT", TripletVerdict, SemanticVerdict, PreferenceAnswer)
SHAPES: Mapping[Task, type[TripletVerdict] | type[SemanticVerdict] | type[PreferenceAnswer]] = {
    "triplets": TripletVerdict,
    "semantic": SemanticVerdict,
    "preference": PreferenceAnswer,
}


def _arm(side: Side, left: Arm | None) -> Choice:
    if side == "tie":
        return "tie"
    return "base" if (side == "left") == (left == "base") else "adapted"


def read(folder: Path, shape: type[LineT]) -> list[LineT]:
    """The lines of ``reviews/<task>`` that hold, of reviewers and adjudicators, in the order of their first line.

    Raises:
        InputError: a line is broken; names file and line.
    """
    return standing(read_folder(folder, shape))


def standing(lines: Iterable[LineT]) -> list[LineT]:
    """Of each reviewer on each item the last line, unless it takes the earlier ones back.

    Preferences come one line a question, with ``choice``; a later line replaces only the questions that it answers.
    """
    last: dict[tuple[Hashable, str, bool], dict[str, LineT]] = {}
    for line in lines:
        place = (line.item, line.reviewer, line.adjudicated)
        if line.retracted:
            last.pop(place, None)
        else:
            last.setdefault(place, {}).update(_by_question(line))
    return [line for parts in last.values() for line in parts.values()]


def _by_question(line: LineT) -> dict[str, LineT]:
    if not isinstance(line, PreferenceAnswer):
        return {"": line}
    return {
        question: line.model_copy(update={"question": question, "choice": choice, "answers": {}})
        for question, choice in line.choices().items()
    }


def pairs(pictures: Mapping[str, str]) -> set[tuple[str, int, str, str]]:
    """What a preference can be about, as :attr:`PreferenceAnswer.item`: both arms of each prompt, index and method.

    Args:
        pictures: sample_id -> SHA-256 of the images at hand.
    """
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for sample_id, sha256 in pictures.items():
        prompt_id, index, arm, *method = sample_id.split("/")
        found.setdefault((prompt_id, index, *method), {})[arm] = sha256
    return {
        (place[0], int(place[1]), arms["base"], arms["adapted"])
        for place, arms in found.items()
        if {"base", "adapted"} <= arms.keys()
    }


def encode(line: Line) -> bytes:
    """A line as it is appended to a file, with its line end; what is not said is left out."""
    said = line.model_dump(mode="json", exclude_defaults=True)
    own = {name: value for name, value in said.items() if name not in Line.model_fields}
    return json.dumps({**own, **said}, ensure_ascii=False).encode() + b"\n"


def file_name(reviewer: str) -> str:
    """``<reviewer>.jsonl`` with letters, digits and hyphens alone; a name without any gets digits of its own.

    Names that differ in other signs or in case share a file, which is well: each line names its reviewer.
    """
    plain = unicodedata.normalize("NFKD", reviewer).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60]
    return f"{words or 'reviewer-' + hashlib.sha256(reviewer.encode()).hexdigest()[:8]}.jsonl"

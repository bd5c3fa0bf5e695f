"""Reading verdicts on prompt-image pairs and joining the reviewers' answers into one (the paper's second filter)."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.jsonl import Record, read_folder
from pipeline.params import Section

Answer = Literal["keep", "reject", "unsure"]
Ballots = dict[str, dict[str, Answer]]


class ReviewParams(Section):
    """Section ``review`` of params.yaml: what people's verdicts decide."""

    require: bool
    """True stops the workflow while a pair has no verdict; false keeps such pairs. The paper reviewed all 66,408."""
    policy: Literal["majority", "any_reject"]
    """How several reviewers of one pair are joined: the answer of most of them, or rejected as soon as one rejects."""
    unsure: Literal["drop", "keep"]
    """What happens to a pair whose joined answer is unsure (a tie counts as unsure)."""


class Verdict(Record):
    """One line of ``reviews/triplets/*.jsonl``: what one reviewer says of one picture with its two prompts."""

    review_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    verdict: Answer
    reviewer: str = Field(min_length=1)
    reasons: tuple[str, ...] = Field(default=(), strict=False)
    note: str = ""


def read_ballots(folder: Path) -> Ballots:
    """review_key -> reviewer -> answer, from all ``*.jsonl`` files; the last line of a reviewer on a key holds.

    Raises:
        InputError: a line is broken; names file and line.
    """
    ballots: Ballots = {}
    for line in read_folder(folder, Verdict):
        ballots.setdefault(line.review_key, {})[line.reviewer] = line.verdict
    return ballots


def join(answers: Collection[Answer], policy: Literal["majority", "any_reject"]) -> str:
    """One verdict from all reviewers' answers: keep, reject, unsure (also a tie) or unreviewed (no answer).

    Unsure answers count only where nobody decided. The order of the answers does not matter.
    """
    if not answers:
        return "unreviewed"
    keeps, rejects = _count(answers, "keep"), _count(answers, "reject")
    if rejects and (policy == "any_reject" or rejects > keeps):
        return "reject"
    return "keep" if keeps > rejects else "unsure"


def _count(answers: Iterable[Answer], wanted: Answer) -> int:
    return sum(answer == wanted for answer in answers)


def drop_reason(verdict: str, unsure: Literal["drop", "keep"]) -> str | None:
    """Why a pair with this joined verdict is left out; None keeps it."""
    match verdict:
        case "reject":
            return "rejected"
        case "unsure" if unsure == "drop":
            return "unsure"
    return None

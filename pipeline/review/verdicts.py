"""Reading verdicts on prompt-image pairs and joining the reviewers' answers into one (the paper's second filter)."""

from array import array
from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from pipeline.agreement import Ballot
from pipeline.answers import Answer, TripletVerdict
from pipeline.jsonl import read_folder
from pipeline.params import Names, Section, Share

Policy = Literal["majority", "any_reject", "adjudicated"]
Opinions = dict[str, dict[str, Answer]]
NOT_A_PERSON = "(not a person)"
"""How the name of a reviewer ends who is a program: its verdicts leave an item in the page's queues, and count only
where no person has said anything."""


class ReviewParams(Section):
    """Section ``review`` of params.yaml: what people's verdicts decide."""

    require: bool
    """True stops the workflow while a pair has no verdict; false keeps such pairs. The paper reviewed all 66,408."""
    policy: Policy
    """How several reviewers of one pair are joined: the answer of most of them; rejected as soon as one rejects; or
    what they agree on, where a conflict stays unsure until an adjudicator decides. An adjudicator's word holds
    under each of them."""
    unsure: Literal["drop", "keep"]
    """What happens to a pair whose joined answer is unsure (a tie counts as unsure)."""
    overlap: Share
    """Share of pairs and pictures that two people are asked about, so that their agreement can be told."""
    reviewers: Names
    """Names between whom the review page divides the work; ``[]``: everybody is asked for all that is open."""
    tie: bool
    """Whether the preference study lets people answer that neither picture is better. The paper's questions are single
    choice between two pictures."""
    seed: int = Field(ge=0)
    """Of what is judged twice, whose share is whose, the order for each reviewer, and the sides of a pair."""

    @field_validator("reviewers")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise ValueError("must name each reviewer once")
        return names


@dataclass(frozen=True)
class Reviews:
    """The verdicts on pairs that hold, of reviewers and of adjudicators; about 250 bytes a verdict."""

    said: Opinions = field(default_factory=dict)
    """Reviewer -> review_key -> answer."""
    rulings: Opinions = field(default_factory=dict)
    """The same of adjudicators."""
    seconds: dict[str, "array[float]"] = field(default_factory=dict)
    """Reviewer -> times for a pair, where they were measured; adjudicating is no part of them."""

    def people(self) -> list[str]:
        """All who have a verdict that holds."""
        return sorted({name for opinions in (self.said, self.rulings) for name in opinions if opinions[name]})

    def stale(self, reviewed: Set[str], adjudicated: Set[str]) -> int:
        """Verdicts on another picture, caption or prompt than there is today.

        Args:
            reviewed: the keys of today that have a reviewer's verdict.
            adjudicated: those that have an adjudicator's.
        """
        both = ((self.said, reviewed), (self.rulings, adjudicated))
        return sum(key not in known for opinions, known in both for answers in opinions.values() for key in answers)


@dataclass(frozen=True)
class Ballots(Collection[Ballot]):
    """What the reviewers said of each of these keys, made anew at each pass: two passes hold no more than one."""

    said: Opinions
    keys: Set[str]

    def __iter__(self) -> Iterator[Ballot]:
        """The ballots, in no order."""
        return (on(self.said, key) for key in self.keys)

    def __len__(self) -> int:
        """Keys."""
        return len(self.keys)

    def __contains__(self, ballot: object) -> bool:
        """Whether some key has this ballot."""
        return any(ballot == other for other in self)


def on(opinions: Opinions, key: str) -> dict[str, Answer]:
    """Who said what of one pair."""
    return {who: answers[key] for who, answers in opinions.items() if key in answers}


def that_count(said: dict[str, Answer]) -> list[Answer]:
    """The answers to a pair that decide: those of people, where there are any, else those of programs.

    Args:
        said: reviewer -> answer.
    """
    return [answer for who, answer in said.items() if not who.endswith(NOT_A_PERSON)] or list(said.values())


def read_reviews(folder: Path) -> Reviews:
    """What all ``*.jsonl`` files say, by the rules of :func:`answers.standing`.

    Raises:
        InputError: a line is broken; names file and line.
    """
    found = Reviews()
    for line in read_folder(folder, TripletVerdict):
        opinions = (found.rulings if line.adjudicated else found.said).setdefault(line.reviewer, {})
        if line.verdict is None or line.retracted:
            opinions.pop(line.review_key, None)
            continue
        opinions[line.review_key] = line.verdict
        if line.seconds is not None and not line.adjudicated:
            found.seconds.setdefault(line.reviewer, array("d")).append(line.seconds)
    return found


def join(said: Collection[Answer], policy: Policy, rulings: Collection[Answer] = ()) -> str:
    """One verdict from all reviewers' answers: keep, reject, unsure (also a tie) or unreviewed (no answer).

    Unsure answers count only where nobody decided. The order of the answers does not matter.

    Args:
        said: the reviewers' answers.
        policy: how they are joined.
        rulings: the adjudicators' answers: where there is one, they alone count, by majority.
    """
    if rulings:
        return join(rulings, "majority")
    if not said:
        return "unreviewed"
    keeps, rejects = _count(said, "keep"), _count(said, "reject")
    if policy == "adjudicated" and keeps and rejects:
        return "unsure"
    if rejects and (policy == "any_reject" or rejects > keeps):
        return "reject"
    return "keep" if keeps > rejects else "unsure"


def _count(said: Iterable[Answer], wanted: Answer) -> int:
    return sum(answer == wanted for answer in said)


def drop_reason(verdict: str, unsure: Literal["drop", "keep"]) -> str | None:
    """Why a pair with this joined verdict is left out; None keeps it."""
    match verdict:
        case "reject":
            return "rejected"
        case "unsure" if unsure == "drop":
            return "unsure"
    return None

"""Reading verdicts on prompt-image pairs and joining the reviewers' answers into one (the paper's second filter)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline import answers
from pipeline.answers import Answer, TripletVerdict
from pipeline.params import Section

Policy = Literal["majority", "any_reject", "adjudicated"]
Ballots = dict[str, dict[str, Answer]]


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


@dataclass(frozen=True)
class Reviews:
    """The verdicts on pairs that hold, by review key."""

    ballots: Ballots
    """review_key -> reviewer -> answer."""
    rulings: Ballots
    """review_key -> adjudicator -> answer."""
    seconds: dict[str, list[float]]
    """Reviewer -> time for a pair, where it was measured."""


def read_reviews(folder: Path) -> Reviews:
    """What all ``*.jsonl`` files say, by the rules of :func:`answers.standing`.

    Raises:
        InputError: a line is broken; names file and line.
    """
    found = Reviews({}, {}, {})
    for line in answers.read(folder, TripletVerdict):
        if line.verdict is None:
            continue
        said = found.rulings if line.adjudicated else found.ballots
        said.setdefault(line.review_key, {})[line.reviewer] = line.verdict
        if line.seconds is not None:
            found.seconds.setdefault(line.reviewer, []).append(line.seconds)
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

"""What ``agreement.json`` says of the reviewers of a task: how well they agree, what each kept and how long it took."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from pipeline import answers
from pipeline.agreement import Ballot, by_pair, cohen_kappa, krippendorff_alpha, raw_share
from pipeline.answers import Line, PreferenceAnswer, SemanticVerdict

WHY_NO_SHARE = "no item was judged by two reviewers"
WHY_NO_KAPPA = "both gave one and the same answer throughout, so that agreement by chance is certain"
WHY_NO_ALPHA = "no item was judged by two reviewers, or all gave one and the same answer"


def by_reviewer(
    ballots: Iterable[Ballot], seconds: Mapping[str, Sequence[float]], positive: str
) -> dict[str, dict[str, float]]:
    """Of each reviewer: items judged, the share with the positive answer, 0 to 1, and the median time for one in s.

    Args:
        ballots: what each said of the items.
        seconds: reviewer -> the times that were measured; without any the median is left out.
        positive: the answer that is counted, for instance ``keep``, which gives ``keep_rate``.
    """
    said: dict[str, Counter[str]] = {}
    for ballot in ballots:
        for reviewer, answer in ballot.items():
            said.setdefault(reviewer, Counter())[answer] += 1
    found = {}
    for reviewer, counted in sorted(said.items()):
        found[reviewer] = {"judged": counted.total(), f"{positive}_rate": counted[positive] / counted.total()}
        if times := seconds.get(reviewer):
            found[reviewer]["median_seconds"] = round(median(times), 2)
    return found


def summary(
    ballots: Collection[Ballot], seconds: Mapping[str, Sequence[float]], *, positive: str = "keep"
) -> dict[str, Any]:
    """All figures for agreement.json; what is null has its reason under ``not_computed``.

    Args:
        ballots: what the reviewers, not the adjudicators, said of each item.
        seconds: reviewer -> seconds for an item, where they were measured.
        positive: the answer whose share is given for each reviewer.
    """
    pairs = by_pair(ballots)
    kappas = {names: cohen_kappa(*answers) for names, answers in pairs.items()}
    figures = {"raw_share": raw_share(ballots), "krippendorff_alpha": krippendorff_alpha(ballots)}
    reasons = {"raw_share": WHY_NO_SHARE, "krippendorff_alpha": WHY_NO_ALPHA}
    missing = {name: reasons[name] for name, value in figures.items() if value is None}
    missing |= {f"cohen_kappa, {names}": WHY_NO_KAPPA for names, kappa in kappas.items() if kappa is None}
    if not pairs:
        missing["cohen_kappa"] = WHY_NO_SHARE
    return {
        **figures,
        "cohen_kappa": kappas,
        "judged_by_both": {names: len(first) for names, (first, _) in pairs.items()},
        "reviewers": by_reviewer(ballots, seconds, positive),
        "not_computed": [{"metric": name, "reason": reason} for name, reason in sorted(missing.items())],
    }


def of_generated(reviews: Path, pictures: Mapping[str, str]) -> dict[str, Any]:
    """The figures for generated pictures: task, for preferences with its question -> as :func:`summary`.

    Args:
        reviews: folder with ``semantic`` and ``preference``.
        pictures: sample_id -> SHA-256 of the pictures at hand; what was said of others does not count.

    Returns:
        Empty where nobody said anything.

    Raises:
        InputError: a line is broken; names file and line.
    """
    fresh: dict[str, list[tuple[Line, Hashable, str]]] = {}
    for line in answers.read(reviews / "semantic", SemanticVerdict):
        if pictures.get(line.sample_id) == line.sha256:
            fresh.setdefault("semantic", []).append((line, line.item, str(line.whole)))
    pairs = answers.pairs(pictures)
    for choice in answers.read(reviews / "preference", PreferenceAnswer):
        if choice.item in pairs:
            fresh.setdefault(f"preference, {choice.question}", []).append((choice, choice.item, str(choice.choice)))
    return {name: _summary(said, "yes" if name == "semantic" else "adapted") for name, said in sorted(fresh.items())}


def _summary(said: Iterable[tuple[Line, Hashable, str]], positive: str) -> dict[str, Any]:
    ballots: dict[Hashable, dict[str, str]] = {}
    seconds: dict[str, list[float]] = {}
    for line, item, answer in said:
        if line.adjudicated:
            continue
        ballots.setdefault(item, {})[line.reviewer] = answer
        if line.seconds is not None:
            seconds.setdefault(line.reviewer, []).append(line.seconds)
    return summary(list(ballots.values()), seconds, positive=positive)

"""How well reviewers agree: raw share, Cohen's kappa, Krippendorff's alpha, keep rates.

A ballot is what the reviewers said of one pair: reviewer -> answer. A figure that cannot be computed is None.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

Ballot = Mapping[str, str]

WHY_NO_SHARE = "no pair was judged by two reviewers"
WHY_NO_KAPPA = "both gave one and the same answer throughout, so that agreement by chance is certain"
WHY_NO_ALPHA = "no pair was judged by two reviewers, or all gave one and the same answer"


def raw_share(ballots: Sequence[Ballot]) -> float | None:
    """Share of reviewer pairs who gave the same answer on the same item, 0 to 1; None where nobody overlaps."""
    agreed = [first == second for ballot in ballots for first, second in combinations(ballot.values(), 2)]
    return sum(agreed) / len(agreed) if agreed else None


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Cohen's kappa of two raters over the same items: (p_o - p_e) / (1 - p_e).

    Source: J. Cohen, A coefficient of agreement for nominal scales, 1960.

    Returns:
        -1 to 1, 1 is full agreement, 0 what chance would give; None where there is no item or chance agreement is 1.

    Raises:
        ValueError: the raters judged different numbers of items.
    """
    items = len(first)
    observed = sum(one == other for one, other in zip(first, second, strict=True))
    ones, others = Counter(first), Counter(second)
    expected = sum(ones[answer] * others[answer] for answer in ones)
    if expected == items * items:
        return None
    return (observed * items - expected) / (items * items - expected)


def krippendorff_alpha(ballots: Sequence[Ballot]) -> float | None:
    """Krippendorff's alpha for nominal data, any number of raters, missing answers allowed: 1 - D_o / D_e.

    Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section C.

    Returns:
        At most 1, which is full agreement; 0 is what chance would give; None where no item has two answers or all
        answers are the same.
    """
    counts = [Counter(ballot.values()) for ballot in ballots if len(ballot) > 1]
    totals: Counter[str] = sum(counts, Counter())
    n = totals.total()
    expected = n * n - sum(count * count for count in totals.values())
    if not expected:
        return None
    differing = [
        (unit.total() ** 2 - sum(count * count for count in unit.values())) / (unit.total() - 1) for unit in counts
    ]
    return 1 - (n - 1) * sum(differing) / expected


def by_pair(ballots: Sequence[Ballot]) -> dict[str, tuple[list[str], list[str]]]:
    """For every two reviewers ("Ann | Bob") their answers on the items that both judged."""
    reviewers = sorted({reviewer for ballot in ballots for reviewer in ballot})
    found = {}
    for one, other in combinations(reviewers, 2):
        common = [ballot for ballot in ballots if one in ballot and other in ballot]
        if common:
            found[f"{one} | {other}"] = ([ballot[one] for ballot in common], [ballot[other] for ballot in common])
    return found


def keep_rates(ballots: Sequence[Ballot]) -> dict[str, dict[str, float]]:
    """Of each reviewer: pairs judged, and the share of them that were kept, 0 to 1."""
    said: dict[str, list[str]] = {}
    for ballot in ballots:
        for reviewer, answer in ballot.items():
            said.setdefault(reviewer, []).append(answer)
    return {
        reviewer: {"judged": len(answers), "keep_rate": answers.count("keep") / len(answers)}
        for reviewer, answers in sorted(said.items())
    }


def summary(ballots: Sequence[Ballot]) -> dict[str, Any]:
    """All figures for agreement.json; what is null has its reason under ``not_computed``."""
    pairs = by_pair(ballots)
    kappas = {names: cohen_kappa(*answers) for names, answers in pairs.items()}
    figures = {"raw_share": raw_share(ballots), "krippendorff_alpha": krippendorff_alpha(ballots)}
    reasons = {"raw_share": WHY_NO_SHARE, "krippendorff_alpha": WHY_NO_ALPHA}
    missing = {name: reasons[name] for name, value in figures.items() if value is None}
    missing |= {f"cohen_kappa, {names}": WHY_NO_KAPPA for names, kappa in kappas.items() if kappa is None}
    if not pairs:
        missing["cohen_kappa"] = WHY_NO_SHARE
    overlaps = {names: len(first) for names, (first, _) in pairs.items()}
    return {
        **figures,
        "cohen_kappa": kappas,
        "judged_by_both": overlaps,
        "reviewers": keep_rates(ballots),
        "not_computed": missing,
    }

"""How well raters agree: raw share, Cohen's kappa, Krippendorff's alpha.

A ballot is what the raters said of one item: rater -> answer. A figure that cannot be computed is None.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

Ballot = Mapping[str, str]


def raw_share(ballots: Iterable[Ballot]) -> float | None:
    """Share of rater pairs who gave the same answer on the same item, 0 to 1; None where nobody overlaps."""
    agreed = Counter(first == second for ballot in ballots for first, second in combinations(ballot.values(), 2))
    return agreed[True] / agreed.total() if agreed else None


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


def krippendorff_alpha(ballots: Iterable[Ballot]) -> float | None:
    """Krippendorff's alpha for nominal data, any number of raters, missing answers allowed: 1 - D_o / D_e.

    Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section C.

    Returns:
        At most 1, which is full agreement; 0 is what chance would give; None where no item has two answers or all
        answers are the same.
    """
    totals: Counter[str] = Counter()
    differing = 0.0
    for ballot in ballots:
        if len(ballot) > 1:
            unit = Counter(ballot.values())
            totals.update(unit)
            differing += (len(ballot) ** 2 - sum(count * count for count in unit.values())) / (len(ballot) - 1)
    n = totals.total()
    expected = n * n - sum(count * count for count in totals.values())
    return 1 - (n - 1) * differing / expected if expected else None


def by_pair(ballots: Iterable[Ballot]) -> dict[str, tuple[list[str], list[str]]]:
    """For every two raters ("Ann | Bob") their answers on the items that both judged."""
    found: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for ballot in ballots:
        for one, other in combinations(sorted(ballot), 2):
            first, second = found.setdefault((one, other), ([], []))
            first.append(ballot[one])
            second.append(ballot[other])
    return {f"{one} | {other}": answers for (one, other), answers in sorted(found.items())}

"""Which values of the recipe the validation split prefers: figures of the study ``choice``, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.report.numbers import percent, points
from pipeline.studies.collecting import Outcome
from pipeline.studies.definitions import TRIED
from pipeline.studies.sentences import Findings


@dataclass(frozen=True)
class Trial:
    """One value of one setting."""

    value: float
    closed: float
    """See :func:`closed`."""
    loss: float
    in_force: bool


@dataclass(frozen=True)
class Repeats:
    """The values in force, trained with several seeds: the share of the gap that each closed."""

    first: float
    lowest: float
    highest: float
    count: int

    @property
    def span(self) -> float:
        """How far the seeds lie apart: smaller differences mean nothing."""
        return self.highest - self.lowest


def closed(outcome: Outcome) -> float | None:
    """The share of the gap in denoising loss between simple and complex prompts that the adapter closes.

    ``(base - adapted) / (base - complex)``, all three on the same samples, timesteps and noise of the validation split:
    1 is as good as the complex prompts, 0 as bad as the simple ones; outside of that where it is better or worse still.

    Returns:
        None where a loss is missing or complex prompts are no better than simple ones.
    """
    base, adapted, ceiling = (outcome.validation.get(arm) for arm in ("base", "adapted", "complex"))
    if base is None or adapted is None or ceiling is None or base <= ceiling:
        return None
    return (base - adapted) / (base - ceiling)


def repeats(outcomes: Sequence[Outcome]) -> Repeats | None:
    """The rows that try no other value; None where the values in force have no result or only one."""
    own = [outcome for outcome in outcomes if outcome.row.tried is None]
    shares = [share for share in map(closed, own) if share is not None]
    first = next((closed(outcome) for outcome in own if not outcome.row.overrides), None)
    if first is None or len(shares) < 2:
        return None
    return Repeats(first, min(shares), max(shares), len(shares))


def trials(outcomes: Sequence[Outcome], in_force: Mapping[str, float]) -> dict[str, list[Trial]]:
    """Setting -> its values in ascending order, the one in force among them.

    Args:
        outcomes: finished rows.
        in_force: setting -> its value in force.
    """
    found: dict[str, list[Trial]] = {}
    for key in TRIED:
        own = [(float(outcome.row.overrides[key]), outcome, False) for outcome in outcomes if outcome.row.tried == key]
        own += [(float(in_force[key]), outcome, True) for outcome in outcomes if not outcome.row.overrides]
        made = [
            Trial(value, share, loss, chosen)
            for value, outcome, chosen in own
            if (share := closed(outcome)) is not None and (loss := outcome.validation["adapted"]) is not None
        ]
        found[key] = sorted(made, key=lambda trial: trial.value)
    return {key: made for key, made in found.items() if made}


def sentences(found: Findings) -> list[str]:
    """The most important first."""
    spread = repeats(found.outcomes)
    said = [_in_force(spread)]
    said += [_setting(key, made, spread) for key, made in trials(found.outcomes, found.in_force).items()]
    return said + [f"Without a result: {label} ({why})." for label, why in found.failed.items()]


def _in_force(spread: Repeats | None) -> str:
    if spread is None:
        return (
            "What the values in force reach is not known: fewer than two of their trainings have a result, or complex "
            "prompts have no lower loss than simple ones."
        )
    return (
        f"With the values in force the adapter closes {percent(spread.first)} of the gap in denoising loss between "
        f"simple and complex prompts of the validation split; {spread.count} seeds lie between "
        f"{percent(spread.lowest)} and {percent(spread.highest)}, and smaller differences mean nothing."
    )


def _setting(key: str, made: Sequence[Trial], spread: Repeats | None) -> str:
    best = max(made, key=lambda trial: (trial.closed, trial.in_force))
    current = next((trial for trial in made if trial.in_force), None)
    if current is None or spread is None:
        return f"{key}: {best.value:g} closes most, {percent(best.closed)}."
    if best.in_force:
        return f"{key}: none of {_values(made)} closes more than {best.value:g}, the value in force."
    gain = best.closed - current.closed
    beyond = "more" if gain > spread.span else "no more"
    return (
        f"{key}: of {_values(made)} most is closed with {best.value:g}, {percent(best.closed)}, {points(gain)} points "
        f"beside {current.value:g}, the value in force: {beyond} than the seeds lie apart."
    )


def _values(made: Sequence[Trial]) -> str:
    return ", ".join(f"{trial.value:g}" for trial in made)

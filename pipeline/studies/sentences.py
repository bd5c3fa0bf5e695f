"""What a study shows, in sentences that follow from its figures, whatever they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.metric_names import QUALITY
from pipeline.report.equality import compared, shown
from pipeline.report.numbers import level, listed, percent, points
from pipeline.report.words import TYPES, Lines, called, changed, kinds, titled, verdict
from pipeline.studies.collecting import Outcome
from pipeline.studies.definitions import Contrast, Study
from pipeline.studies.figures import GAIN, SKILLS, Spread, holds, spread

TARGET_SEEDS = 4
"""Of five seeds so many should hold."""


@dataclass(frozen=True)
class Findings:
    """A study with all that came out."""

    study: Study
    outcomes: Sequence[Outcome]
    """Finished rows, in the study's order."""
    failed: Mapping[str, str]
    """Label of each other row -> why it has no result."""
    contrasts: Sequence[tuple[Contrast, Lines]]
    """Those whose rows are both finished."""
    confidence: float
    in_force: Mapping[str, float]
    """Value in force of each setting that a row tries."""


def sentences(found: Findings) -> list[str]:
    """The most important first."""
    said = [*_seeds(found), *_conclusions(found), *_layers(found), *_contrasts(found), *_methods(found)]
    said += [*_ends(found.outcomes), *_equivalences(found)]
    return said + [f"Without a result: {label} ({why})." for label, why in found.failed.items()]


def _seeds(found: Findings) -> list[str]:
    """In how many seeds the gain holds, and how far they lie apart."""
    judged = [outcome for outcome in found.outcomes if outcome.accuracy]
    if found.study.name != "seeds" or not judged:
        return []
    count = sum(holds(outcome, found.confidence) for outcome in judged)
    verdict = (
        f"In {count} of {len(judged)} seeds {SKILLS} of the {len(TYPES)} skills gain at least {100 * GAIN:g} points "
        f"over the base model with a corrected p below {1 - found.confidence:.3g} and the whole "
        f"{level(found.confidence)} interval above 0, and no skill loses significantly. "
        f"At least {TARGET_SEEDS} of {len(found.study.rows)} are asked for: "
        f"{'reached' if count >= TARGET_SEEDS else 'not reached'}."
    )
    spreads = {skill: spread(judged, skill) for skill in kinds(_any(outcome.accuracy for outcome in judged))}
    return [verdict, *(_spread(skill, made) for skill, made in spreads.items() if made)]


def _spread(skill: str, found: Spread) -> str:
    sd = "not defined" if found.sd is None else f"{100 * found.sd:.1f}"
    return (
        f"{titled(called(skill, {}))} over {found.count} seeds: mean difference {points(found.mean)} points, standard "
        f"deviation {sd} (from {points(found.lowest)} to {points(found.highest)})."
    )


def _any(comparisons: Iterable[Lines]) -> Lines:
    """A line of each skill that any of them has."""
    return {name: line for lines in comparisons for name, line in lines.items()}


def _conclusions(found: Findings) -> list[str]:
    """One sentence on each thing that several contrasts are about."""
    groups: dict[str, list[Lines]] = {}
    for contrast, lines in found.contrasts:
        if lines:
            groups.setdefault(contrast.about, []).append(lines)
    return [_conclusion(about, group, found.confidence) for about, group in groups.items() if group[1:]]


def _conclusion(about: str, group: Sequence[Lines], confidence: float) -> str:
    skills = kinds(_any(group))
    better, worse = (
        [called(name, {}) for name in skills if any(name in changed(lines, confidence, sign) for lines in group)]
        for sign in (1, -1)
    )
    if not better and not worse:
        return f"{about} does not help here: in none of {len(group)} comparisons a skill changes significantly."
    helps = f"helps here for {listed(better)}" if better else "does not help here"
    harms = f" and harms for {listed(worse)}" if worse else ""
    return f"{about} {helps}{harms} (in at least one of {len(group)} comparisons significantly)."


def _contrasts(found: Findings) -> list[str]:
    return [
        verdict(f"{contrast.about} {contrast.where}", lines, found.confidence) for contrast, lines in found.contrasts
    ]


def _layers(found: Findings) -> list[str]:
    """Which layer has most right images; the contrasts say whether that means anything."""
    rows = [one for one in found.outcomes if one.row.layer is not None and "all" in one.accuracy]
    shares = {outcome.row.label: outcome.accuracy["all"]["adapted"] for outcome in rows}
    if len(shares) < 2:
        return []
    most, fewest = max(shares.values()), min(shares.values())
    if most == fewest:
        return [f"All layers have the same share of right images over all prompts, {percent(most)}."]
    best, worst = ([label for label, share in shares.items() if share == end] for end in (most, fewest))
    return [
        f"Over all prompts most images are right with {listed(best)} ({percent(most)}), "
        f"fewest with {listed(worst)} ({percent(fewest)})."
    ]


def _methods(found: Findings) -> list[str]:
    """A sentence on each method that a row drew with, and on a row that stands alone: adapter against base model."""
    alone = len(found.study.rows) == 1
    drawn = [outcome for outcome in found.outcomes if alone or outcome.method is not None]
    return [verdict(titled(outcome.label), outcome.accuracy, found.confidence) for outcome in drawn]


def _ends(outcomes: Sequence[Outcome]) -> list[str]:
    """Base model and ceiling, where all rows share them."""
    lines = [outcome.accuracy["all"] for outcome in outcomes if "all" in outcome.accuracy]
    ends = {(line["base"], line.get("complex")) for line in lines}
    if len(ends) != 1:
        return []
    base, ceiling = ends.pop()
    above = "" if ceiling is None else f", given the complex ones (the ceiling) {percent(ceiling)}"
    return [f"Given the simple prompts the base model has {percent(base)} right images{above}."]


def _equivalences(found: Findings) -> list[str]:
    """Of picture quality alone: fit of image and prompt shall rise."""
    said = []
    for name in QUALITY:
        tests = [outcome.equivalence[name] for outcome in found.outcomes if name in outcome.equivalence]
        if not tests:
            continue
        equal, worse = (sum(shown(test, found.confidence) == word for test in tests) for word in ("equal", "worse"))
        not_worse = sum(test["p_not_worse"] < 1 - found.confidence for test in tests)
        said.append(
            f"{titled(compared(name))} was shown to equal the base model's, within the margin, in {equal} of "
            f"{len(tests)} rows (TOST), to be no worse by more than that in {not_worse}, and to be worse by more than "
            f"that in {worse}."
        )
    return said

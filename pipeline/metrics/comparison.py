"""The adapted arm against the base arm or another one, by prompt type: what statistics.json holds."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from pipeline.arms import ADAPTED, BASE
from pipeline.metric_names import BY_WORDING
from pipeline.metrics.pictures import Picture
from pipeline.metrics.settings import EvaluateParams
from pipeline.metrics.statistics import Pairs, equivalence, holm, paired_difference

ALL, TYPES, PREFERENCE = "all", "types", "preference"


def compare(
    values: Mapping[str, float], pictures: Iterable[Picture], config: EvaluateParams, *, against: str = BASE
) -> dict[str, dict[str, Any]]:
    """For each prompt type, and for all: both arms' means, their difference with interval and p, and other arms' means.

    Only prompts and seeds that have a value in both arms count. ``p_holm`` corrects for the types being a family;
    ``all`` sums them up and is no member of it. Other arms (``complex``, the ceiling) are means over prompts.
    Against another arm than base the line has that arm's mean in the place of base's, and no others.

    Args:
        values: sample_id -> number.
        pictures: every image of one cell (model and method).
        config: confidence, resamples and seed.
        against: the arm that the adapted one is compared with.
    """
    known = [picture for picture in pictures if picture.sample_id in values]
    groups = {ALL: known}
    for picture in known:
        groups.setdefault(picture.type, []).append(picture)
    lines = {name: _line(values, group, config, against) for name, group in sorted(groups.items())}
    found = {name: line for name, line in lines.items() if line}
    family = [name for name in found if name != ALL]
    corrected = dict(zip(family, holm([found[name]["p"] for name in family]), strict=True))
    return {name: {**line, "p_holm": corrected.get(name)} for name, line in found.items()}


def correct_family(found: Iterable[dict[str, Any]]) -> None:
    """Set ``p_holm`` over all cells, each metric and each judge beside the first a family of its own (ADR 0031).

    The types of a comparison are one family over all cells. With several cells their lines ``all`` are one too, and so
    are their answers to a question of preference; a single cell keeps its types' own and has no such families. Both
    wordings of prompts are in one family.

    Args:
        found: of each cell, metric -> type -> line of :func:`compare`, judge or wording -> the same, and
            lines of preference; changed in place. What is no comparison stays.
    """
    cells = list(found)
    families: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for cell in cells:
        for family, line in _lines(cell, ()):
            families.setdefault(family, []).append(line)
    for family, members in families.items():
        if len(cells) == 1 and family[-1] != TYPES:
            continue
        for line, corrected in zip(members, holm([line["p"] for line in members]), strict=True):
            line["p_holm"] = corrected


def _lines(found: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Family and line of all comparisons below a place."""
    for name, item in found.items():
        if not isinstance(item, dict):
            continue
        if not place and name.startswith(PREFERENCE) and "p" in item:
            yield (name, ALL), item
        elif place and "p_holm" in item:
            family = place[:1] if place[0] == BY_WORDING else place
            yield (*family, ALL if name == ALL else TYPES), item
        else:
            yield from _lines(item, (*place, name))


def pair_up(values: Mapping[str, float], pictures: Iterable[Picture], against: str = BASE) -> Pairs:
    """The values of the adapted arm and of another, one entry for each prompt and seed that has both."""
    arms: dict[str, dict[tuple[str, int], float]] = {against: {}, ADAPTED: {}}
    for picture in pictures:
        if picture.arm in arms and picture.sample_id in values:
            arms[picture.arm][picture.prompt_id, picture.index] = values[picture.sample_id]
    common = sorted(arms[against].keys() & arms[ADAPTED].keys())
    theirs, ours = (np.array([arms[arm][key] for key in common], np.float64) for arm in (against, ADAPTED))
    return Pairs([prompt_id for prompt_id, _ in common], theirs, ours)


def same_quality(
    values: Mapping[str, float], pictures: Iterable[Picture], config: EvaluateParams, *, higher_is_better: bool = True
) -> dict[str, float] | None:
    """The equivalence test over all prompts; None where it is not defined.

    Args:
        values: sample_id -> number.
        pictures: every image of one cell.
        config: the margin.
        higher_is_better: False where less is better (BRISQUE): ``p_not_worse`` then asks that there is not more. The
            difference is adapted minus base either way.
    """
    sign = 1.0 if higher_is_better else -1.0
    turned = {sample_id: sign * value for sample_id, value in values.items()}
    found = equivalence(pair_up(turned, pictures), margin_sd=config.equivalence_margin_sd)
    return asdict(replace(found, difference=sign * found.difference)) if found else None


def _line(values: Mapping[str, float], pictures: list[Picture], config: EvaluateParams, against: str) -> dict[str, Any]:
    pairs = pair_up(values, pictures, against)
    if not len(pairs.prompts):
        return {}
    found = paired_difference(pairs, confidence=config.confidence, resamples=config.bootstrap, seed=config.seed)
    if against != BASE:
        return {against if name == BASE else name: figure for name, figure in asdict(found).items()}
    means = {arm: _arm_mean(values, pictures, arm) for arm in sorted({picture.arm for picture in pictures})}
    others = {arm: mean for arm, mean in means.items() if mean is not None and arm not in (BASE, ADAPTED)}
    return {**asdict(found), **others}


def _arm_mean(values: Mapping[str, float], pictures: list[Picture], arm: str) -> float | None:
    """Mean over prompts of their means over seeds; None unless the arm has every prompt and seed that base has.

    A mean over other prompts would stand beside the base's as if the two could be compared.
    """
    prompts: dict[str, list[float]] = {}
    measured = [picture for picture in pictures if picture.sample_id in values]
    for picture in measured:
        if picture.arm == arm:
            prompts.setdefault(picture.prompt_id, []).append(values[picture.sample_id])
    places = {name: {(p.prompt_id, p.index) for p in measured if p.arm == name} for name in (arm, BASE)}
    if not places[BASE] <= places[arm]:
        return None
    return float(np.mean([np.mean(sorted(prompts[name])) for name in sorted(prompts)]))


def by_prompt(values: Mapping[str, float], pictures: Iterable[Picture]) -> dict[str, dict[str, float]]:
    """prompt_id -> arm -> mean over its images (the layout of the paper's Table 7)."""
    collected: dict[str, dict[str, list[float]]] = {}
    for picture in pictures:
        if picture.sample_id in values:
            arms = collected.setdefault(picture.prompt_id, {})
            arms.setdefault(picture.arm, []).append(values[picture.sample_id])
    return {
        prompt_id: {arm: float(np.mean(sorted(numbers))) for arm, numbers in sorted(arms.items())}
        for prompt_id, arms in sorted(collected.items())
    }

"""Figures in plain words: how numbers are written, and what may be said of a comparison."""

from collections.abc import Mapping
from typing import Any

from pipeline.arms import COMPLEX, EXPANDED, RIVALS
from pipeline.metric_names import AGAINST, BY_WORDING
from pipeline.report import equality
from pipeline.report.collect import Findings, by_method
from pipeline.report.numbers import interval, level, listed, p_value, percent, points, signed

TYPES = ("action", "colour", "counting")
ALL = "all"
"""The name of the line over all prompts."""
P_DECIDES = "The p decides: intervals are not corrected, and too narrow where few prompts differ."
"""Stands below tables that show both (ADR 0031 has figures)."""
Lines = Mapping[str, Mapping[str, Any]]
"""Skill, or ``all``, -> both arms, difference, interval, p."""
BENCHMARKS = {
    "geneval": "GenEval",
    "t2i_compbench": "T2I-CompBench",
    "dpg_bench": "DPG-Bench",
    "parti_prompts": "PartiPrompts",
}
"""What public benchmarks are called whose tasks are types of prompts (``geneval_colors``)."""
GIVEN: Mapping[str, str] = {EXPANDED: "LLM-expanded prompts"}
"""What the base model is given in a rival's arm."""


def skills(accuracy: Mapping[str, Any]) -> list[str]:
    """The types of prompts that have a figure: the paper's three, then those of other prompt files, then all."""
    others = sorted(set(accuracy) - {*TYPES, ALL})
    return [name for name in (*TYPES, *others, ALL) if name in accuracy]


def kinds(accuracy: Mapping[str, Any]) -> list[str]:
    """:func:`skills` without their sum."""
    return [name for name in skills(accuracy) if name != ALL]


def called(name: str, accuracy: Mapping[str, Any]) -> str:
    """``colour``, ``GenEval colors``; the sum is ``all three`` where there are just the paper's skills, else ``all``.

    Args:
        name: a type of prompts, or ``all``.
        accuracy: what has a figure beside it.
    """
    if name == ALL:
        return "all three" if set(kinds(accuracy)) == set(TYPES) else "all"
    for start, benchmark in BENCHMARKS.items():
        if name.startswith(start):
            return " ".join([benchmark, *name.removeprefix(start).split("_")[1:]])
    return name


def titled(text: str) -> str:
    """With a capital first; what follows stays, as ``GenEval``."""
    return text[:1].upper() + text[1:]


def deciding_p(line: Mapping[str, Any]) -> float:
    """The corrected p; where there is no correction (``all`` of one method), p."""
    p: float = line["p"] if line["p_holm"] is None else line["p_holm"]
    return p


def is_significant(line: Mapping[str, Any], confidence: float) -> bool:
    """Whether the p that decides lies below 1 - confidence."""
    return deciding_p(line) < 1 - confidence


def headline(findings: Findings) -> str:
    """One or two sentences: on which skills the adapter helped, harmed, or made no significant difference."""
    lines: Lines = findings.metrics.get("accuracy", {})
    if not lines:
        return f"No accuracy was computed: {findings.not_computed.get('accuracy', 'there is no verdict')}."
    better, worse, same = outcomes(lines, findings.confidence)
    said = [f"With the adapter more images are right for {listed(better)}."] if better else []
    said += [f"With the adapter fewer images are right for {listed(worse)}."] if worse else []
    said += [f"There is no significant difference for {listed(same)}."] if same else []
    first, *others = by_method(findings)
    text = " ".join(said)
    return f"Method {first}: {text[0].lower()}{text[1:]}" if others else text


def details(findings: Findings) -> list[str]:
    """Sentences on the first method, whose name stands before them if there are several, one on each other method,
    and how well people agree."""
    (first, part), *others = by_method(findings).items()
    said = [f"Sentences that name no method are of method {first}."] if others else []
    said += _of_method(part)
    for name, other in others:
        said.append(verdict(f"Method {name}", other.metrics.get("accuracy", {}), other.confidence))
    return said + [_agreement(task, found) for task, found in findings.agreement.items()]


def _of_method(findings: Findings) -> list[str]:
    """A sentence for each skill, then what else of it was computed: ceiling, rivals, wording, judges, fit, equality."""
    accuracy = findings.metrics.get("accuracy", {})
    said = [_skill(titled(called(name, accuracy)), accuracy[name], findings.confidence) for name in kinds(accuracy)]
    ceiling = accuracy.get(ALL, {}).get(COMPLEX)
    if ceiling is not None:
        said.append(
            f"The ceiling: given the complex wording, the base model alone has {percent(ceiling)} right images; "
            f"given the simple one {percent(accuracy[ALL]['base'])}, with the adapter "
            f"{percent(accuracy[ALL]['adapted'])}."
        )
    rivals = {arm: findings.metrics[AGAINST + arm] for arm in RIVALS if AGAINST + arm in findings.metrics}
    said += [_rival(arm, lines[ALL], findings.confidence) for arm, lines in rivals.items()]
    said += _wordings(findings.metrics.get(BY_WORDING, {}))
    for judge, lines in findings.metrics.get("other_judges", {}).items():
        said.append(verdict(f"Judged by {judge}", lines, findings.confidence))
    if "clip_score" in findings.metrics:
        said.append(_clip_score(findings.metrics["clip_score"][ALL], findings.confidence))
    if "clip_cosine" in findings.metrics:
        said.append(_fit(findings.metrics["clip_cosine"][ALL], findings.confidence))
    return said + equality.sentences(findings.metrics, findings.confidence, findings.margin_sd)


def _wordings(found: Mapping[str, Lines]) -> list[str]:
    """One sentence on how far what was learned carries to prompts in words that no training prompt had."""
    sums = {wording: lines[ALL] for wording, lines in found.items() if ALL in lines}
    parts = [
        f"of the {line['prompts']} prompts with {of_wording(wording)} {percent(line['base'])} → "
        f"{percent(line['adapted'])}, p {p_value(deciding_p(line))}"
        for wording, line in sums.items()
    ]
    return [f"By wording, base model → adapter: {'; '.join(parts)}."] if parts else []


def of_wording(wording: str) -> str:
    """What the wordings of prompt files mean."""
    return {"seen": "words of the training prompts", "unseen": "words unseen in training"}.get(
        wording, f"{wording} words"
    )


def _rival(arm: str, line: Mapping[str, Any], confidence: float) -> str:
    """Whether what the adapter gives is to be had otherwise; over the prompts that have both arms."""
    verdict = "" if is_significant(line, confidence) else "no significant difference; "
    gain = f"{points(line['difference'])} points, {level(confidence)} interval {interval(line)}"
    return (
        f"With the adapter {percent(line['adapted'])} of images are right, the base model given {GIVEN[arm]} has "
        f"{percent(line[arm])} ({verdict}{gain}, p {p_value(deciding_p(line))}; "
        f"{line['prompts']} prompts, {line['pairs']} pairs)."
    )


def _agreement(task: str, found: Mapping[str, Any]) -> str:
    """How well people agree on a task, or why that is not known."""
    alpha, share = found["krippendorff_alpha"], found["raw_share"]
    if share is None:
        reasons = {gap["metric"]: gap["reason"] for gap in found["not_computed"]}
        return f"People's agreement ({task}) was not computed: {reasons['raw_share']}."
    chance = "Krippendorff's α is not defined" if alpha is None else f"Krippendorff's α {alpha:.2f}"
    return f"Two people gave the same answer ({task}) in {percent(share)} of cases; {chance}."


def _clip_score(line: Mapping[str, Any], confidence: float) -> str:
    """Which arm CLIP prefers."""
    if not is_significant(line, confidence):
        verdict = "no significant difference"
    else:
        verdict = f"CLIP prefers the {'adapted' if line['difference'] > 0 else 'base'} images"
    return (
        f"CLIP Score of adapted against base images: {line['adapted']:.3f}, where 0.5 is a tie "
        f"({verdict}, p {p_value(deciding_p(line))})."
    )


def _fit(line: Mapping[str, Any], confidence: float) -> str:
    """Whether image and prompt fit better or worse than without the adapter."""
    changed_ = "rose" if line["difference"] > 0 else "fell"
    verdict = f"{changed_} significantly" if is_significant(line, confidence) else "did not change significantly"
    return (
        f"The fit of image and prompt (CLIP cosine) {verdict}: {line['base']:.3f} with the base model, "
        f"{line['adapted']:.3f} with the adapter ({signed(line['difference'], 3)}, {level(confidence)} interval "
        f"{interval(line, scale=1, digits=3)}, p {p_value(deciding_p(line))})."
    )


def _skill(name: str, line: Mapping[str, Any], confidence: float) -> str:
    verdict = "" if is_significant(line, confidence) else "no significant difference; "
    gain = f"{points(line['difference'])} points, {level(confidence)} interval {interval(line)}"
    return (
        f"{name}: {percent(line['base'])} of images right with the base model, {percent(line['adapted'])} "
        f"with the adapter ({verdict}{gain}, "
        f"corrected p {p_value(line['p_holm'])}; {line['prompts']} prompts, {line['pairs']} pairs)."
    )


def verdict(subject: str, lines: Lines, confidence: float) -> str:
    """In which skills there are more or fewer right images, and by how much.

    Args:
        subject: what is compared, as the sentence begins.
        lines: the comparison's figures.
        confidence: of the intervals.
    """
    if not lines:
        return f"{subject}: not compared, no image was judged."
    better, worse, same = outcomes(lines, confidence)
    said = [f"more right images for {listed(better)}"] if better else []
    said += [f"fewer right images for {listed(worse)}"] if worse else []
    said += [f"no significant difference for {listed(same)}"] if same else []
    figures = [f"{called(name, lines)} {change(lines[name])}" for name in skills(lines)]
    return f"{subject}: {', '.join(said)} ({'; '.join(figures)})."


def outcomes(lines: Lines, confidence: float) -> tuple[list[str], list[str], list[str]]:
    """What the skills are called that are better, worse, and not significantly either."""
    better, worse = (changed(lines, confidence, sign) for sign in (1, -1))
    same = [name for name in kinds(lines) if name not in [*better, *worse]]
    found = [[called(name, lines) for name in names] for names in (better, worse, same)]
    return found[0], found[1], found[2]


def changed(lines: Lines, confidence: float, sign: int) -> list[str]:
    """Skills with a significant difference of this sign."""
    there = [name for name in kinds(lines) if is_significant(lines[name], confidence)]
    return [name for name in there if sign * lines[name]["difference"] > 0]


def change(line: Mapping[str, Any]) -> str:
    """``+1.2 points, +0.4 to +2.0, p 0.012``: with the corrected p where there is one."""
    return f"{points(line['difference'])} points, {interval(line)}, p {p_value(deciding_p(line))}"

"""Figures in plain words: how numbers are written, and what may be said of a comparison."""

from collections.abc import Mapping
from typing import Any

from pipeline.arms import COMPLEX, EXPANDED, RIVALS
from pipeline.metric_names import AGAINST, JUDGED, QUALITY, meaning
from pipeline.report.collect import Findings, by_method

TYPES = ("action", "colour", "counting")
MINUS = "−"
P_DECIDES = "The p decides: intervals are not corrected, and too narrow where few prompts differ."
"""Stands below tables that show both (ADR 0031 has figures)."""
Lines = Mapping[str, Mapping[str, Any]]
"""Skill, or ``all``, -> both arms, difference, interval, p."""
EQUAL_IN = {
    "clip_cosine": "The fit of image and prompt (CLIP cosine)",
    JUDGED: "The quality of the pictures, by the judge,",
    **{name: meaning.label for name, meaning in QUALITY.items() if name != JUDGED},
}
"""Metrics in which the adapted arm shall be as good as the base arm, and how they are called."""
GIVEN: Mapping[str, str] = {EXPANDED: "LLM-expanded prompts"}
"""What the base model is given in a rival's arm."""


def percent(share: float) -> str:
    """0.425 -> ``42.5 %``."""
    return f"{100 * share:.1f} %"


def level(confidence: float) -> str:
    """0.95 -> ``95 %``."""
    return f"{100 * confidence:g} %"


def points(difference: float) -> str:
    """0.113 -> ``+11.3``: a difference of shares in percentage points, with its sign."""
    return signed(100 * difference, 1)


def signed(value: float, digits: int) -> str:
    """With a sign, except for what rounds to 0."""
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return text
    return ("+" if value > 0 else MINUS) + text


def p_value(p: float | None) -> str:
    """Three digits, or that it is below them, or a dash where there is none."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.0005 else f"{p:.3f}"


def interval(line: Mapping[str, Any], *, scale: float = 100, digits: int = 1) -> str:
    """The ends of a difference's interval in percentage points, or a dash where there is none."""
    if line["low"] is None:
        return "–"
    return f"{signed(scale * line['low'], digits)} to {signed(scale * line['high'], digits)}"


def is_significant(line: Mapping[str, Any], confidence: float) -> bool:
    """Whether the corrected p lies below 1 - confidence; where there is no correction (`all` of one method), p."""
    p = line["p"] if line["p_holm"] is None else line["p_holm"]
    return bool(p < 1 - confidence)


def compared(name: str) -> str:
    """What an equivalence test is about, within a sentence: ``CLIP cosine``, ``BRISQUE``, ``judged image quality``."""
    return "judged image quality" if name == JUDGED else meaning(name).label


def is_equal(line: Mapping[str, Any], confidence: float) -> bool:
    """Whether an equivalence test showed equality with the base model."""
    return bool(line["p"] < 1 - confidence)


def headline(findings: Findings) -> str:
    """One or two sentences: on which skills the adapter helped, harmed, or made no significant difference."""
    lines = {name: line for name, line in findings.metrics.get("accuracy", {}).items() if name in TYPES}
    if not lines:
        return f"No accuracy was computed: {findings.not_computed.get('accuracy', 'there is no verdict')}."
    better, worse = (changed(lines, findings.confidence, sign) for sign in (1, -1))
    same = [name for name in lines if name not in [*better, *worse]]
    said = [f"With the adapter more images are right for {listed(better)}."] if better else []
    said += [f"With the adapter fewer images are right for {listed(worse)}."] if worse else []
    said += [f"There is no significant difference for {listed(same)}."] if same else []
    return " ".join(said)


def details(findings: Findings) -> list[str]:
    """A sentence for each skill, then ceiling, rivals, fit of text and equivalence, as far as they were computed."""
    accuracy = findings.metrics.get("accuracy", {})
    said = [_skill(name, accuracy[name], findings.confidence) for name in TYPES if name in accuracy]
    ceiling = accuracy.get("all", {}).get(COMPLEX)
    if ceiling is not None:
        said.append(
            f"The ceiling: given the complex wording, the base model alone has {percent(ceiling)} right images; "
            f"given the simple one {percent(accuracy['all']['base'])}, with the adapter "
            f"{percent(accuracy['all']['adapted'])}."
        )
    rivals = {arm: findings.metrics[AGAINST + arm] for arm in RIVALS if AGAINST + arm in findings.metrics}
    said += [_rival(arm, lines["all"], findings.confidence) for arm, lines in rivals.items()]
    if "clip_score" in findings.metrics:
        said.append(_clip_score(findings.metrics["clip_score"]["all"], findings.confidence))
    others = list(by_method(findings).items())[1:]
    said += [verdict(f"Method {name}", part.metrics.get("accuracy", {}), part.confidence) for name, part in others]
    said += [f"{what} {said_of}." for key, what in EQUAL_IN.items() if (said_of := equivalence(findings, key))]
    return said + [_agreement(task, found) for task, found in findings.agreement.items()]


def _rival(arm: str, line: Mapping[str, Any], confidence: float) -> str:
    """Whether what the adapter gives is to be had otherwise; over the prompts that have both arms."""
    verdict = "" if is_significant(line, confidence) else "no significant difference; "
    gain = f"{points(line['difference'])} points, {level(confidence)} interval {interval(line)}"
    return (
        f"With the adapter {percent(line['adapted'])} of images are right, the base model given {GIVEN[arm]} has "
        f"{percent(line[arm])} ({verdict}{gain}, p {p_value(line['p'])}; {line['prompts']} prompts, "
        f"{line['pairs']} pairs)."
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
    """Which arm CLIP prefers; the score has no corrected p, it stands outside the family of skills."""
    if line["p"] >= 1 - confidence:
        verdict = "no significant difference"
    else:
        verdict = f"CLIP prefers the {'adapted' if line['difference'] > 0 else 'base'} images"
    return (
        f"CLIP Score of adapted against base images: {line['adapted']:.3f}, where 0.5 is a tie "
        f"({verdict}, p {p_value(line['p'])})."
    )


def _skill(name: str, line: Mapping[str, Any], confidence: float) -> str:
    verdict = "" if is_significant(line, confidence) else "no significant difference; "
    gain = f"{points(line['difference'])} points, {level(confidence)} interval {interval(line)}"
    return (
        f"{name.capitalize()}: {percent(line['base'])} of images right with the base model, {percent(line['adapted'])} "
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
    better, worse = (changed(lines, confidence, sign) for sign in (1, -1))
    same = [name for name in TYPES if name in lines and name not in [*better, *worse]]
    said = [f"more right images for {listed(better)}"] if better else []
    said += [f"fewer right images for {listed(worse)}"] if worse else []
    said += [f"no significant difference for {listed(same)}"] if same else []
    figures = [f"{name} {change(lines[name])}" for name in (*TYPES, "all") if name in lines]
    return f"{subject}: {', '.join(said)} ({'; '.join(figures)})."


def changed(lines: Lines, confidence: float, sign: int) -> list[str]:
    """Skills with a significant difference of this sign."""
    there = [name for name in TYPES if name in lines and is_significant(lines[name], confidence)]
    return [name for name in there if sign * lines[name]["difference"] > 0]


def change(line: Mapping[str, Any]) -> str:
    """``+1.2 points, +0.4 to +2.0, p 0.012``: with the corrected p where there is one."""
    p = line["p"] if line["p_holm"] is None else line["p_holm"]
    return f"{points(line['difference'])} points, {interval(line)}, p {p_value(p)}"


def equivalence(findings: Findings, key: str) -> str:
    """Whether both arms were shown to be equal in a metric, or ours to be no worse; empty where it was not tested.

    Args:
        findings: what was computed.
        key: the metric's name without ``_equivalence``.
    """
    found = findings.metrics.get(f"{key}_equivalence")
    if not found:
        return ""
    within = f"within {findings.margin_sd} standard deviations of the base's prompt means"
    tested = f"{within} (equivalence test, p {p_value(found['p'])})"
    if is_equal(found, findings.confidence):
        return f"is equal {tested}"
    not_worse = found["p_not_worse"] < 1 - findings.confidence
    worse = f"{'but it is' if not_worse else 'nor was it shown to be'} no worse by more than that"
    return f"was not shown to be equal {tested}, {worse} (p {p_value(found['p_not_worse'])})"


def listed(names: list[str]) -> str:
    """``colour``, ``colour and action``, ``action, colour and counting``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

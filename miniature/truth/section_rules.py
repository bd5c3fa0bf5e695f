"""What the report says of the CLIP rules: tables and sentences, all from the figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from miniature.truth.filtering import IN_FORCE, RULES, SCORES, SECOND
from miniature.truth.rules import TARGETS
from miniature.truth.section_data import Figures, table
from miniature.truth.shares import counted, said
from pipeline.report.numbers import listed

WORDS = {"caption_right": "caption right", "prompt_belongs": "own prompt", "both": "both"}
BOUNDS = {"margin": "difference", "min_complex": "complex", "min_simple": "simple"}


def rules(found: Figures, pictures: Sequence[str]) -> list[str]:
    """The paper's rule against the truth, and rules with more bounds.

    Args:
        found: as ``filtering.figures`` gives.
        pictures: Markdown of the charts.
    """
    name = named(IN_FORCE, found)
    return [
        "## The CLIP rule",
        f"A pair is good if its caption says all of the picture and its prompt belongs to it. {_whole(found, name)}",
        "Precision / recall over all pairs:",
        _precision_table({name: found["whole"]}),
        "What each score tells (area under the ROC curve: the chance that a good pair scores higher than another; "
        "0.5 is guessing, below it the score prefers the wrong ones):",
        table(["score", *WORDS.values()], [[text, *_areas(found, key)] for key, text in SCORES.items()]),
        _separation(found["separation"]),
        "Bounds chosen on the train split for the best F1 of both, judged on the other splits (precision / recall):",
        _precision_table(
            {named(rule, found): line["other"] for rule, line in found["rules"].items()},
            {named(rule, found): _bounds(line) for rule, line in found["rules"].items()},
        ),
        "Pairs that each rule keeps, by truth:",
        _swapped_table(found),
        _second(found, name),
        *pictures,
    ]


def named(rule: str, found: Figures) -> str:
    """A rule's name in the report: the one in force is the paper's if its margin is 0 and it asks no minimum."""
    asked = [f"margin {found['margin']:g}"]
    asked += [f"minimum {BOUNDS[key]} score {bound:g}" for key, bound in found["minimums"].items()]
    start = "the paper's rule" if asked == ["margin 0"] else f"{listed(asked)} in force"
    return rule.replace("in force, ", f"{start} and ") if rule != IN_FORCE else start


def _whole(found: Figures, name: str) -> str:
    """What the rule in force does to swapped prompts, and why, as far as the scores show it."""
    whole, scores = found["whole"], found["scores"]
    own, swapped = kept_of(whole, "own"), kept_of(whole, "swapped")
    text = f"{name[0].upper()}{name[1:]} keeps {counted(whole['kept'], whole['pairs'])} pairs."
    if not swapped[1] or not own[1]:
        return f"{text} No pair was scored to compare own prompts with prompts of other pictures."
    text += f" Of the prompts that belong to another picture it keeps {counted(*swapped)}, of the others"
    text += f" {counted(*own)}."
    if swapped[0] / swapped[1] >= own[0] / own[1]:
        text += " It cannot see a prompt of another picture"
        if scores["swapped"] < scores["own"]:
            text += f": such a prompt scores low ({scores['swapped']:.1f} on average against {scores['own']:.1f}),"
            text += " and the lower it scores, the easier the caption beats it"
        return f"{text}."
    return f"{text} So it drops prompts of other pictures more often than own ones."


def kept_of(line: Figures, whose: str) -> tuple[int, int]:
    """Kept and all pairs with own or with swapped prompts."""
    parts = [part for name, part in line["by_truth"].items() if name.startswith(whose)]
    return sum(part["kept"] for part in parts), sum(part["pairs"] for part in parts)


def _precision_table(lines: Figures, bounds: Mapping[str, str] | None = None) -> str:
    """A rule a row; with a column of bounds where they are given."""
    head = ["rule", "at least", "kept", *WORDS.values(), "F1 of both"]
    rows = [
        [
            name,
            (bounds or {}).get(name),
            counted(line["kept"], line["pairs"]),
            *map(_pair, _judged(line)),
            f"{_f1(line):.3f}",
        ]
        for name, line in lines.items()
    ]
    shown = [index for index in range(len(head)) if bounds or index != 1]
    return table([head[index] for index in shown], [[row[index] for index in shown] for row in rows])


def _judged(line: Figures) -> list[Figures]:
    return [line[target] for target in TARGETS]


def _pair(found: Figures) -> str:
    """``58.1 / 62.0 %``: precision and recall."""
    return f"{said(found['precision']).removesuffix(' %')} / {said(found['recall'])}"


def _bounds(line: Figures) -> str:
    """``complex 88.98``: the bounds that were chosen, or that stand in the settings."""
    return ", ".join(f"{BOUNDS[name]} {bound:.2f}" for name, bound in line["bounds"].items()) or "–"


def _f1(line: Figures) -> float:
    return float(line["both"]["f1"])


def _areas(found: Figures, score: str) -> list[str]:
    values = found["separation"][score]
    return ["–" if values[target] is None else f"{values[target]:.3f}" for target in TARGETS]


def _separation(areas: Figures) -> str:
    """Which score tells each target best, and what the difference tells of prompts."""
    said_of = []
    for target, text in (("caption_right", "whether the caption is right"), ("prompt_belongs", "whose the prompt is")):
        known = {score: line[target] for score, line in areas.items() if line[target] is not None}
        if known:
            best = max(known, key=known.__getitem__)
            said_of.append(f"{SCORES[best]} tells best {text} ({known[best]:.3f})")
    if not said_of:
        return "All pairs are alike, so no score can tell them apart."
    text = f"The {' and the '.join(said_of)}."
    margin = areas["margin"]["prompt_belongs"]
    if margin is not None and margin < 0.5:
        text += f" The difference, which is all that the paper's rule looks at, prefers swapped prompts ({margin:.3f})."
    return text


def _swapped_table(found: Figures) -> str:
    head = ["rule", "own prompt, right caption", "own prompt, wrong caption", "swapped, train", "swapped, other splits"]
    rows = []
    for rule, line in found["rules"].items():
        both = {name: _sum(line, name) for name in ("own_right", "own_wrong")}
        swapped = [counted(*kept_of(line[split], "swapped")) for split in ("train", "other")]
        rows.append([named(rule, found), *(counted(*part) for part in both.values()), *swapped])
    return table(head, rows)


def _sum(line: Figures, name: str) -> tuple[int, int]:
    """Kept and all pairs of one kind over both halves of the data."""
    parts = [line[split]["by_truth"][name] for split in ("train", "other")]
    return sum(part["kept"] for part in parts), sum(part["pairs"] for part in parts)


def _second(found: Figures, name: str) -> str:
    """What a minimum complex score adds to the rule in force, and which rule is best."""
    lines = found["rules"]
    first, second = lines[IN_FORCE]["other"], lines[SECOND]["other"]
    before, after = kept_of(first, "swapped"), kept_of(second, "swapped")
    own_before, own_after = (kept_of(line, "own")[0] for line in (first, second))
    text = (
        f"On the other splits a minimum complex score of {lines[SECOND]['bounds']['min_complex']:.1f} beside "
        f"{name} leaves {after[0]:,} of {before[0]:,} swapped pairs that {name} alone keeps, and {own_after:,} of "
        f"{own_before:,} others; {_moved(first, second)}."
    )
    best = max(RULES, key=lambda rule: _f1(lines[rule]["train"]))
    asked = listed([f"{BOUNDS[key]} at least {bound:.1f}" for key, bound in lines[best]["bounds"].items()])
    text += f" The best rule on the train split is: {named(best, found)}{f' ({asked})' if asked else ''}"
    text += f", with an F1 of {_f1(lines[best]['train']):.3f} there and {_f1(lines[best]['other']):.3f} on the other"
    return f"{text} splits, where {name} has {_f1(first):.3f}."


def _moved(first: Figures, second: Figures) -> str:
    """``precision of both goes from 52.1 % to 65.0 %``, with the intervals."""

    def precise(line: dict[str, Any]) -> str:
        ends = line["interval"]
        within = f" (95 % interval {100 * ends[0]:.1f} to {100 * ends[1]:.1f})" if ends else ""
        return f"{said(line['precision'])}{within}"

    return f"precision of both goes from {precise(first['both'])} to {precise(second['both'])}"

"""What an equivalence test showed of a metric of picture quality, in which both arms shall be alike."""

from collections.abc import Mapping
from typing import Any, Literal

from pipeline.metric_names import JUDGED, QUALITY, meaning
from pipeline.report.numbers import p_value

Shown = Literal["equal", "worse", "no worse", "not shown"]


def shown(line: Mapping[str, Any], confidence: float) -> Shown:
    """What may be said at this confidence; the one-sided test of "no worse", turned round, is the one of "worse".

    Args:
        line: an entry ``<metric>_equivalence`` of statistics.json.
        confidence: 1 less it is the level of each test.
    """
    level = 1 - confidence
    if line["p"] < level:
        return "equal"
    if 1 - line["p_not_worse"] < level:
        return "worse"
    return "no worse" if line["p_not_worse"] < level else "not shown"


def deciding(line: Mapping[str, Any], confidence: float) -> float:
    """The p value of the test that decided :func:`shown`; where nothing was shown, the equivalence test's."""
    p: Mapping[Shown, float] = {"worse": 1 - line["p_not_worse"], "no worse": line["p_not_worse"]}
    return p.get(shown(line, confidence), line["p"])


def compared(name: str) -> str:
    """What an equivalence test is about, within a sentence: ``BRISQUE``, ``judged image quality``."""
    return "judged image quality" if name == JUDGED else meaning(name).label


def sentences(metrics: Mapping[str, Any], confidence: float, margin_sd: float) -> list[str]:
    """One on each metric of picture quality that was tested, in the paper's order.

    Equality is asked of quality alone: fit of image and prompt shall rise.

    Args:
        metrics: figures of one method, by metric.
        confidence: as in :func:`shown`.
        margin_sd: the margin in standard deviations of the base's prompt means.
    """
    tests = {name: metrics.get(f"{name}_equivalence") for name in QUALITY}
    return [f"{_subject(name)} {_verdict(test, confidence, margin_sd)}." for name, test in tests.items() if test]


def _subject(name: str) -> str:
    return "The quality of the pictures, by the judge," if name == JUDGED else meaning(name).label


def _verdict(line: Mapping[str, Any], confidence: float, margin_sd: float) -> str:
    margin = f"{margin_sd} standard deviations of the base's prompt means"
    tested, one_sided = p_value(line["p"]), p_value(deciding(line, confidence))
    match shown(line, confidence):
        case "equal":
            return f"is equal within {margin} (equivalence test, p {tested})"
        case "worse":
            return f"is worse by more than {margin} (p {one_sided})"
        case "no worse":
            end = f"but it is no worse by more than that (p {one_sided})"
        case "not shown":
            end = f"nor was it shown to be no worse by more than that (p {p_value(line['p_not_worse'])})"
    return f"was not shown to be equal within {margin} (equivalence test, p {tested}), {end}"

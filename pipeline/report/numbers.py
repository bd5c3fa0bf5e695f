"""How the report writes its numbers."""

from collections.abc import Mapping
from typing import Any

MINUS = "−"
NONE = "–"
"""Where there is no number."""


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
        return NONE
    return "< 0.001" if p < 0.0005 else f"{p:.3f}"


def interval(line: Mapping[str, Any], *, scale: float = 100, digits: int = 1) -> str:
    """The ends of a difference's interval in percentage points, or a dash where there is none."""
    if line["low"] is None:
        return NONE
    return f"{signed(scale * line['low'], digits)} to {signed(scale * line['high'], digits)}"


def listed(names: list[str]) -> str:
    """``colour``, ``colour and action``, ``action, colour and counting``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

"""Shares of counts that may be empty."""

from scipy.stats import binomtest


def share(part: float, whole: float) -> float | None:
    """A share with four digits, 0 to 1; None where there is nothing to share."""
    return round(float(part) / float(whole), 4) if whole else None


def interval(part: int, whole: int) -> list[float] | None:
    """The 95 % Wilson interval of part / whole with four digits; None where there is nothing to share."""
    if not whole:
        return None
    found = binomtest(part, whole).proportion_ci(0.95, method="wilson")
    return [round(float(found.low), 4), round(float(found.high), 4)]


def said(value: float | None) -> str:
    """0.425 -> ``42.5 %``; a dash for None."""
    return "–" if value is None else f"{100 * value:.1f} %"


def counted(part: int, whole: int) -> str:
    """``3 of 64 (4.7 %)``."""
    return f"{part:,} of {whole:,} ({said(share(part, whole))})"

"""Contrast of the page's colours, computed as WCAG 2.2 defines it (success criteria 1.4.3 and 1.4.11)."""

import re
from importlib import resources

import pytest

STYLE = (resources.files("pipeline.review_page") / "page/page.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)
TEXT = [
    ("ink", "ground"), ("ink", "card"), ("soft", "card"), ("soft", "ground"), ("accent", "card"), ("good", "card"),
    ("bad", "card"), ("open", "card"), ("on-accent", "accent"), ("on-good", "good"), ("on-bad", "bad"),
    ("on-open", "open"),
]  # fmt: skip


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(first, second):
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_and_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_can_be_read(colours, text, ground):
    assert contrast(colours[text], colours[ground]) >= 4.5


def test_moving_things_move_only_where_that_is_welcome():
    outside = re.sub(r"@media \(prefers-reduced-motion: no-preference\) \{.*?\n\}", "", STYLE, flags=re.DOTALL)
    assert "transition" not in outside
    assert "animation" not in outside


def test_nothing_is_fetched_from_elsewhere():
    assert "url(" not in STYLE
    assert "@import" not in STYLE

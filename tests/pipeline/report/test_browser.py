"""The report in a real browser, on a phone and on a desk: what of it no other test can see."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.report import study_pages
from pipeline.report.render import Picture
from stages import report as stage
from tests.closure import ROOT
from tests.pipeline.report.folder import draw, metrics, write_data
from tests.pipeline.report.made_studies import row, study
from tests.pipeline.review_page.browsing import browser
from tests.stages.test_report import SETTING

WIDE = Path("sample/grids.png")
SIZES = """[...document.querySelectorAll('p, li, th, td, figcaption')].map(
    one => parseFloat(getComputedStyle(one).fontSize)
)"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with all there can be: several methods, wide pictures, the project's studies and one with curves."""
    folder = tmp_path_factory.mktemp("report")
    figures = metrics()
    cells = {f"some/model {method}": figures for method in ("none", "canny")}
    data = write_data(folder / "data", {**figures, "cells": cells})
    draw(data / WIDE)
    Image.new("RGB", (2400, 500), "white").save(data / WIDE)
    chart = draw(folder / "fig-losses.png")
    drawn = study_pages.page(folder / "fig.json", study([row("zero", curve=[[50, 0.04]])]))
    assert drawn.charts == [chart]
    ours = study_pages.read(ROOT / study_pages.FOLDER, SETTING.run.diffusion)
    studies = study_pages.Studies([*ours.shown, drawn], ours.passed_over)
    stage.report(data, data / "report", SETTING, pictures=[Picture(data / WIDE, "grids", wide=True)], studies=studies)
    return data / "report" / "report.html"


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_asks_for_nothing_and_fits(chromium: Any, written: Path, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800})
    page, faults, asked = context.new_page(), [], []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(written.as_uri())
    for is_open in (False, True):
        page.evaluate("open => document.querySelectorAll('details').forEach(one => { one.open = open; })", is_open)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert page.evaluate("[...document.querySelectorAll('table')].every(one => one.parentElement.matches('.scroll'))")
    assert min(page.evaluate(SIZES)) >= 14
    context.close()
    assert faults == []
    assert [address for address in asked if not address.startswith("data:")] == [written.as_uri()]

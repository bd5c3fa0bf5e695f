"""Puts findings, tables and pictures into the page and into Markdown."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.report import background, layout, paper, words
from pipeline.report.background import ModelLines
from pipeline.report.collect import Findings
from pipeline.report.layout import Table
from pipeline.report.missing import Gap
from pipeline.report.prompt_table import prompt_table
from pipeline.report.quality_table import quality_table
from pipeline.report.study_pages import LOSSES, StudyPage
from pipeline.report.trust_table import trust_table
from pipeline.report.wording_table import wording_table

TEMPLATES = Path(__file__).parent / "templates"
FEW_PROMPTS = 20
"""Up to so many prompts stand unfolded."""


@dataclass(frozen=True)
class Picture:
    """A PNG with what it shows; ``wide`` takes the page's whole width."""

    path: Path
    caption: str
    wide: bool = False

    def data_uri(self) -> str:
        """The picture within the page."""
        return "data:image/png;base64," + base64.b64encode(self.path.read_bytes()).decode()


@dataclass(frozen=True)
class Content:
    """What both forms of the report show."""

    title: str
    headline: str
    details: Sequence[str]
    results: Sequence[Table]
    prompts: Table
    funnel: Table
    models: Sequence[ModelLines]
    charts: Sequence[Picture]
    pictures: Sequence[Picture]
    gaps: Sequence[Gap]
    studies: Sequence[tuple[StudyPage, Sequence[Picture]]] = ()
    """With their charts."""


def content(
    findings: Findings,
    gaps: Sequence[Gap],
    charts: Sequence[Picture],
    pictures: Sequence[Picture],
    *,
    printed: paper.Figures,
    title: str,
    studies: Sequence[StudyPage] = (),
) -> Content:
    """Lay the findings out.

    Args:
        findings: what the stages left.
        gaps: what is not in this run.
        charts: charts of the figures.
        pictures: what other stages drew.
        printed: the paper's figures for such a run; empty where it printed none.
        title: first line of the report.
        studies: several trainings side by side.
    """
    others = [table for table in (wording_table(findings), trust_table(findings)) if table]
    return Content(
        title=title,
        headline=words.headline(findings),
        details=words.details(findings),
        results=[layout.accuracy_table(findings, printed), quality_table(findings, printed), *others],
        prompts=prompt_table(findings),
        funnel=background.funnel_table(findings.funnel),
        models=background.models(findings.models),
        charts=charts,
        pictures=pictures,
        gaps=gaps,
        studies=[(page, _charts(page)) for page in studies],
    )


def _charts(page: StudyPage) -> list[Picture]:
    return [
        Picture(path, f"{page.title}: losses" if path.name.endswith(LOSSES) else page.title, wide=True)
        for path in page.charts
    ]


def as_page(found: Content) -> str:
    """One HTML file: pictures within, no script, no request to anywhere."""
    return _templates().get_template("report.html.j2").render(content=found)


def as_markdown(found: Content, folder: Path) -> str:
    """The same as Markdown.

    Args:
        found: the content.
        folder: where the file will stand; pictures are linked relative to it.
    """
    shown = [*found.charts, *found.pictures, *(chart for _, charts in found.studies for chart in charts)]
    links = {picture.path: Path(os.path.relpath(picture.path, folder)).as_posix() for picture in shown}
    return _templates().get_template("report.md.j2").render(content=found, links=links)


def _cell_text(text: str) -> str:
    """A text that stays within one cell of a Markdown table and is not taken for HTML."""
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").split())


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda name: bool(name) and str(name).endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell_text
    environment.globals["models_note"] = background.MODELS_NOTE
    environment.globals["few_prompts"] = FEW_PROMPTS
    return environment

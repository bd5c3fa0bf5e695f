"""Studies in the report: what ``sur study`` left of several trainings, as sections of sentences, a chart and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.files import read_json
from pipeline.report import study_tables
from pipeline.report.layout import Table

FOLDER = Path("docs/studies")
FIRST = ("methods", "layers", "llm-sizes", "ablation", "nine-prompts", "initialisation")
"""Those that the paper has a table or figure of, in its order; all others follow by name."""
LOSSES = "-losses.png"
"""Ends the file name of a study's second chart, which has the losses of its trainings."""
OF_PAPER = "paper-"
"""Begins the names of the same studies with the paper's models."""


@dataclass(frozen=True)
class StudyPage:
    """A study as it is shown."""

    name: str
    title: str
    sentences: Sequence[str]
    tables: Sequence[Table]
    charts: Sequence[Path]
    """What the adapter changes, and the losses of the trainings, as far as there are such."""


@dataclass(frozen=True)
class Studies:
    """Those of the run's diffusion model, and why the others are not shown."""

    shown: Sequence[StudyPage] = ()
    passed_over: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """Of those shown."""
        return {page.name for page in self.shown}


def read(folder: Path, diffusion_model: str) -> Studies:
    """All studies in a folder; one that drew nothing (``choice``) has its own page alone.

    Args:
        folder: with ``<name>.json``, ``<name>.png`` and ``<name>-losses.png``.
        diffusion_model: a study none of whose rows is of it says nothing about this run and is passed over.

    Raises:
        InputError: a file is no JSON.
    """
    shown, passed_over = [], {}
    for path in sorted(folder.glob("*.json"), key=_order):
        content = read_json(path)
        if "confidence" not in content:
            continue
        if any("run" not in row for row in content["rows"]):
            passed_over[path.stem] = "written by an earlier version"
        elif diffusion_model not in (models := {row["run"]["diffusion"] for row in content["rows"]}):
            passed_over[path.stem] = f"made with {' and '.join(sorted(models))}"
        else:
            shown.append(page(path, content))
    return Studies(shown, passed_over)


def page(path: Path, content: Mapping[str, Any]) -> StudyPage:
    """One study as it is shown.

    Args:
        path: its JSON file; the charts lie beside it. That of the losses is shown where the file has the curves.
        content: what the file holds.
    """
    has_curves = any(row.get("curve") for row in content["rows"])
    charts = [path.with_suffix(".png"), *([path.with_name(f"{path.stem}{LOSSES}")] if has_curves else [])]
    return StudyPage(
        path.stem,
        content["title"],
        content["sentences"],
        study_tables.tables(content),
        [chart for chart in charts if chart.is_file()],
    )


def _order(path: Path) -> tuple[int, str]:
    name = path.stem.removeprefix(OF_PAPER)
    return (FIRST.index(name) if name in FIRST else len(FIRST), path.stem)

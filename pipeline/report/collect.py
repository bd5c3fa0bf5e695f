"""Reads what the stages left behind: figures, counts, losses, the models' measured quality."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from pipeline.errors import InputError
from pipeline.files import read_json
from pipeline.methods.settings import MethodName
from pipeline.model_folders import is_folder

FUNNEL = ("download", "clean", "caption", "clip_filter", "review_import", "resize")
HUB_NOTE = "from the Hugging Face hub: see its own card, nothing was measured here"


@dataclass(frozen=True)
class Step:
    """One stage of the data funnel: rows in, rows out, rows dropped by reason."""

    stage: str
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class Model:
    """A model in use and what whoever built it measured (empty where nothing is known)."""

    role: str
    name: str
    revision: str
    quality: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Findings:
    """All that a report is made of."""

    metrics: Mapping[str, Any]
    confidence: float
    judge: str
    not_computed: Mapping[str, str]
    prompts: Sequence[Mapping[str, str]]
    funnel: Sequence[Step]
    curves: Mapping[str, Sequence[tuple[int, float]]]
    models: Sequence[Model]
    reports: Mapping[str, Mapping[str, Any]]
    margin_sd: float = 0.0
    rater: str = ""
    """The judge whose word on picture quality it is; empty where none rates."""
    agreement: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Task (``semantic``, ``preference, <question>``) -> how well people agree; empty where nobody said anything."""


def collect(data: Path, models: Sequence[tuple[str, str, str]]) -> Findings:
    """Read everything under ``data``.

    Args:
        data: folder with a folder for each stage.
        models: role, name and revision of each model in use.

    Raises:
        InputError: the evaluation's files are missing, or a file is damaged.
    """
    evaluated = data / "evaluate"
    report = read_json(evaluated / "report.json")
    return Findings(
        metrics=read_json(evaluated / "statistics.json"),
        confidence=report["confidence"],
        judge=report["judge"],
        rater=report["quality_judge"],
        margin_sd=report["equivalence_margin_sd"],
        agreement=read_json(evaluated / "agreement.json"),
        not_computed={gap["metric"]: gap["reason"] for gap in report["not_computed"]},
        prompts=_rows(evaluated / "prompts.csv"),
        funnel=_funnel(data),
        curves=_curves(data / "train" / "log"),
        models=[_model(*model) for model in models],
        reports=_reports(data),
    )


def by_method(findings: Findings) -> dict[str, Findings]:
    """Method -> the findings of its pictures: of all cells, or of the only one, which the sampler's report names."""
    if cells := of_methods(findings.metrics):
        return {method: replace(findings, metrics=figures) for method, figures in cells.items()}
    sampled = findings.reports.get("sample", {}).get("methods", ("none",))  # not told where there is none
    return {next(iter(sampled)): findings}


def of_methods(statistics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Method -> its figures, where statistics.json has several, in the order of the paper's tables."""
    cells = {name.rpartition(" ")[2]: figures for name, figures in statistics.get("cells", {}).items()}
    return {method: cells[method] for method in sorted(cells, key=get_args(MethodName).index)}


def _reports(data: Path) -> dict[str, dict[str, Any]]:
    """Folder name, such as ``scrape/lexica``, -> its report."""
    found = sorted([*data.glob("*/report.json"), *data.glob("scrape/*/report.json")])
    reports = {path.parent.relative_to(data).as_posix(): read_json(path) for path in found}
    return {name: report for name, report in reports.items() if name != "report"}


def _funnel(data: Path) -> list[Step]:
    """From scrape to the dataset; the sources of scrape are taken together."""
    scraped = [read_json(path) for path in sorted(data.glob("scrape/*/report.json"))]
    steps = [_joined("scrape", scraped)] if scraped else []
    paths = {stage: data / stage / "report.json" for stage in FUNNEL}
    return steps + [_joined(stage, [read_json(path)]) for stage, path in paths.items() if path.is_file()]


def _joined(stage: str, reports: Sequence[Mapping[str, Any]]) -> Step:
    dropped: Counter[str] = Counter()
    for report in reports:
        dropped.update(report["dropped"])
    rows_in, rows_out = (sum(report[key] for report in reports) for key in ("in", "out"))
    return Step(stage, rows_in, rows_out, dict(sorted(dropped.items())))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)") from error


def _curves(log: Path) -> dict[str, list[tuple[int, float]]]:
    """DVCLive's tables: ``train/total`` -> (step, value) in their order."""
    root = log / "plots" / "metrics"
    return {path.relative_to(root).with_suffix("").as_posix(): _curve(path) for path in sorted(root.rglob("*.tsv"))}


def _curve(path: Path) -> list[tuple[int, float]]:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    try:
        return [(int(row["step"]), float(row[path.stem])) for row in rows]
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is no table of step and {path.stem}: run dvc repro --force train") from error


def _model(role: str, name: str, revision: str) -> Model:
    if not is_folder(name):
        return Model(role, name, revision, note=HUB_NOTE)
    path = Path(name).expanduser() / "quality.json"
    quality = read_json(path) if path.is_file() else {}
    return Model(role, name, revision, quality, "" if quality else "its folder has no measured figures (quality.json)")

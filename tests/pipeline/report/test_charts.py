import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.plots import figure
from pipeline.report import charts
from pipeline.report.collect import Step, collect
from tests.pipeline.report.folder import line, metrics, write_data


def _widths(folder: Path) -> dict[str, int]:
    """Of all pictures in a folder, as they decode."""
    found = {}
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as picture:
            picture.load()
            found[path.name] = picture.width
    return found


def test_a_chart_is_drawn_for_every_part(tmp_path: Path) -> None:
    findings = collect(write_data(tmp_path), [])
    charts.differences(findings, tmp_path / "a.png")
    charts.funnel(findings.funnel, tmp_path / "b.png")
    charts.losses(findings.curves, tmp_path / "c.png")
    assert _widths(tmp_path) == {"a.png": 768, "b.png": 768, "c.png": 768}


def test_charts_survive_having_nothing_to_show(tmp_path: Path) -> None:
    findings = collect(write_data(tmp_path, {}), [])
    charts.differences(findings, tmp_path / "a.png")
    charts.funnel([Step("scrape", 0, 0, {})], tmp_path / "b.png")
    charts.losses({}, tmp_path / "c.png")
    charts.losses({"train/denoising": [(0, 0.0)]}, tmp_path / "d.png")
    assert _widths(tmp_path) == dict.fromkeys(("a.png", "b.png", "c.png", "d.png"), 768)


def test_a_single_prompt_is_a_point_without_interval(tmp_path: Path) -> None:
    findings = collect(write_data(tmp_path, {"accuracy": {"colour": line(0.0, 1.0, 1.0, low=None, high=None)}}), [])
    charts.differences(findings, tmp_path / "a.png")
    assert _widths(tmp_path) == {"a.png": 768}


def test_several_methods_stand_below_each_other_each_with_its_skills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: list[str] = []

    @contextlib.contextmanager
    def kept(*arguments: Any) -> Iterator[Any]:
        with figure(*arguments) as axes:
            yield axes
            labels.extend(label.get_text() for label in axes.get_yticklabels())

    monkeypatch.setattr(charts, "figure", kept)
    one = metrics()
    charts.differences(collect(write_data(tmp_path / "one", one), []), tmp_path / "one.png")
    assert labels == ["action", "colour", "counting", "all three"]
    labels.clear()
    cells = {"sd none": one, "sd canny": {"accuracy": {"colour": line(0.1, 0.4, 0.01)}}}
    charts.differences(collect(write_data(tmp_path / "two", {**one, "cells": cells}), []), tmp_path / "two.png")
    assert labels == ["none: action", "none: colour", "none: counting", "none: all three", "canny: colour"]
    labels.clear()
    public = {"accuracy": {"geneval_colors": line(0.1, 0.4, 0.01), "all": line(0.1, 0.4, 0.01, p_holm=None)}}
    charts.differences(collect(write_data(tmp_path / "public", public), []), tmp_path / "public.png")
    assert labels == ["GenEval colors", "all"]

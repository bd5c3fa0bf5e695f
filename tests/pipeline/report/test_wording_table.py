from pathlib import Path
from typing import Any

from pipeline.report import render
from pipeline.report.wording_table import wording_table
from tests.pipeline.report.folder import line, metrics
from tests.pipeline.report.test_layout import _findings, _is_even

WORDINGS: dict[str, Any] = {
    "seen": {"colour": line(0.1, 0.9, 0.001), "all": line(0.083, 0.917, 0.0001, p_holm=None)},
    "unseen": {"all": line(0.107, 0.048, 0.4, p_holm=None)},
}


def test_each_wording_has_its_skills(tmp_path: Path) -> None:
    table = wording_table(_findings(tmp_path, {**metrics(), "accuracy_by_wording": WORDINGS}))
    assert table is not None
    assert _is_even(table)
    assert [[cell.text for cell in row[:5]] for row in table.rows] == [
        ["Words of the training prompts", "Colour", "10.0 %", "90.0 %", "+80.0"],
        ["Words of the training prompts", "All", "8.3 %", "91.7 %", "+83.4"],
        ["Words unseen in training", "All", "10.7 %", "4.8 %", "−5.9"],
    ]
    assert table.rows[1][4].kind.endswith("better")
    assert table.rows[2][-1].text == "20 (80)"


def test_several_methods_are_named(tmp_path: Path) -> None:
    cells = {f"sd {name}": {"accuracy_by_wording": {"public": WORDINGS["seen"]}} for name in ("none", "sag")}
    table = wording_table(_findings(tmp_path, {**metrics(), "cells": cells}))
    assert table is not None
    assert table.head[:2] == ["Method", "Prompts with"]
    assert [[cell.text for cell in row[:2]] for row in table.rows[1:3]] == [
        ["none", "Public words"],
        ["sag", "Public words"],
    ]
    assert _is_even(table)


def test_figures_written_before_wordings_were_told_apart_have_no_table(tmp_path: Path) -> None:
    findings = _findings(tmp_path)
    assert wording_table(findings) is None
    shown = render.content(findings, [], [], [], printed={}, title="t").results
    assert not [table for table in shown if table.title == "By wording"]

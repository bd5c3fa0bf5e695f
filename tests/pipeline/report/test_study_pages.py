import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InputError
from pipeline.report import study_pages
from tests.closure import ROOT
from tests.pipeline.report.folder import draw
from tests.pipeline.report.made_studies import row, study

OURS = "miniature/models/diffusion"


def _write(folder: Path, name: str, content: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(content))


def test_studies_of_this_runs_model_are_shown_in_the_papers_order(tmp_path: Path) -> None:
    for name in ("ablation", "seeds", "layers", "another"):
        _write(tmp_path, name, study([row("a")]))
    draw(tmp_path / "layers.png")
    found = study_pages.read(tmp_path, OURS)
    assert [page.name for page in found.shown] == ["layers", "ablation", "another", "seeds"]
    assert [page.charts for page in found.shown] == [[tmp_path / "layers.png"], [], [], []]
    assert found.shown[0].sentences == ["Layer 20 & the others."]
    assert found.passed_over == {}


def test_the_losses_are_shown_where_the_file_has_the_curves(tmp_path: Path) -> None:
    drawn = [draw(tmp_path / name) for name in ("layers.png", "layers-losses.png", "seeds-losses.png")]
    _write(tmp_path, "layers", study([row("a"), row("b", curve=[[50, 0.04], [100, 0.03]])]))
    _write(tmp_path, "seeds", study([row("a")]))
    layers, seeds = study_pages.read(tmp_path, OURS).shown
    assert layers.charts == drawn[:2]
    assert seeds.charts == []


def test_studies_of_other_models_or_of_an_earlier_version_say_why_they_are_not_shown(tmp_path: Path) -> None:
    old = row("a")
    del old["run"]
    _write(tmp_path, "layers", study([row("a", {"diffusion": "sd"}), row("b", {"diffusion": "cartoon"})]))
    _write(tmp_path, "seeds", study([old]))
    found = study_pages.read(tmp_path, OURS)
    assert found.shown == []
    assert found.passed_over == {"layers": "made with cartoon and sd", "seeds": "written by an earlier version"}


def test_a_study_with_a_row_of_this_runs_model_is_shown(tmp_path: Path) -> None:
    _write(tmp_path, "methods", study([row("a", {"diffusion": "cartoon"}), row("b")]))
    assert study_pages.read(tmp_path, OURS).names == {"methods"}


def test_a_study_that_drew_nothing_is_left_to_its_own_page(tmp_path: Path) -> None:
    _write(tmp_path, "choice", {"title": "Choosing", "rows": []})
    assert study_pages.read(tmp_path, OURS) == study_pages.Studies([], {})


def test_no_folder_is_no_study_and_a_broken_file_is_told(tmp_path: Path) -> None:
    assert study_pages.read(tmp_path / "none", OURS).names == set()
    (tmp_path / "layers.json").write_text("{")
    with pytest.raises(InputError, match=r"layers\.json"):
        study_pages.read(tmp_path, OURS)


def test_the_studies_of_this_project_can_be_shown() -> None:
    found = study_pages.read(ROOT / study_pages.FOLDER, OURS)
    assert {"layers", "ablation", "initialisation"} <= found.names
    assert found.passed_over == {}
    assert all(page.charts and page.tables and page.sentences for page in found.shown)

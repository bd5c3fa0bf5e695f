from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.report import missing, paper
from pipeline.report.collect import Findings, collect
from pipeline.report.missing import Gap
from pipeline.report.study_pages import Studies, StudyPage
from tests.closure import ROOT
from tests.pipeline.report.folder import metrics, write_data

OURS, SD15 = "miniature/models/diffusion", "stable-diffusion-v1-5/stable-diffusion-v1-5"


def _findings(folder: Path, figures: dict[str, Any] | None = None, source: str = "miniature") -> Findings:
    return collect(write_data(folder, figures, source=source), [])


def _gaps(findings: Findings, studies: Studies | None = None, model: str = OURS) -> dict[str, Gap]:
    return {gap.what: gap for gap in missing.gaps(findings, studies or Studies(), model)}


def _studies(*names: str) -> Studies:
    return Studies([StudyPage(name, name, [], [], None) for name in names])


@pytest.mark.parametrize("model", [OURS, SD15])
def test_studies_that_were_not_made_come_with_a_command_that_is_there(tmp_path: Path, model: str) -> None:
    gaps = _gaps(_findings(tmp_path), model=model)
    commands = {what: gap.command for what, gap in gaps.items() if gap.command}
    assert commands["Table 4: layers of the LLM"] == "sur study layers"
    assert commands["Table 5: LLM loss and complex-prompt loss, each on and off"] == "sur study ablation"
    files = [word for command in commands.values() for word in command.split() if word.startswith("studies/")]
    assert len(files) == 4
    assert all((ROOT / file).is_file() for file in files)
    assert ("studies/paper-llm-sizes.yaml" in files) is (model == SD15)


def test_studies_that_are_there_are_no_gaps(tmp_path: Path) -> None:
    made = _studies("layers", "llm-sizes", "ablation", "initialisation", "methods", "paper-nine-prompts")
    assert not [what for what in _gaps(_findings(tmp_path), made) if what.startswith(("Table 4", "Table 5", "Fig"))]
    assert not [what for what in _gaps(_findings(tmp_path), made) if what.startswith("Tables")]


def test_a_study_of_another_model_is_named_in_its_gap(tmp_path: Path) -> None:
    gap = _gaps(_findings(tmp_path), Studies([], {"layers": "made with sd"}))["Table 4: layers of the LLM"]
    assert gap.why == "needs several trainings; the study that is there was made with sd"


def test_table_7_is_a_gap_only_where_its_prompts_were_not_evaluated(tmp_path: Path) -> None:
    gap = _gaps(_findings(tmp_path / "a"))["Tables 1 and 7: the paper's nine prompts"]
    assert gap.command.endswith("sur study studies/paper-nine-prompts.yaml")
    gaps = _gaps(_findings(tmp_path / "b", source="paper_table7"))
    assert not any("Table" in what and "7" in what for what in gaps)


def test_methods_of_the_paper_that_made_no_picture_come_with_their_command(tmp_path: Path) -> None:
    findings = _findings(tmp_path)
    gap = _gaps(findings)["Tables 2 and 3: methods canny, seg, weighting, panorama and sag"]
    assert (gap.why, gap.command) == ("not among sample.methods", "sur study studies/methods.yaml")
    some = replace(findings, metrics={"cells": {f"{SD15} {name}": metrics() for name in ("none", "canny")}})
    assert "Tables 2 and 3: methods seg, weighting, panorama and sag" in _gaps(some)
    every = replace(findings, metrics={"cells": {f"{SD15} {name}": {} for name in paper.METHODS}})
    assert not [what for what in _gaps(every) if "Tables 2 and 3" in what]


def test_what_evaluate_could_not_compute_says_why(tmp_path: Path) -> None:
    gaps = _gaps(_findings(tmp_path))
    assert gaps["preference"].why.startswith("not computed: reviews/preference")
    assert gaps["Table 3: MUSIQ"].why == "evaluate.metrics has no entry of kind musiq"

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.report import layout, missing, paper
from pipeline.report.collect import Findings, collect
from pipeline.report.study_pages import Studies
from pipeline.report.words import P_DECIDES
from tests.pipeline.report.folder import line, metrics, write_data

SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
PRINTED = paper.figures(paper.Run(SD15, "huggyllama/llama-13b", 40, "sur", llm_loss=True, complex_prompt_loss=True))


def _findings(folder: Path, figures: dict[str, Any] | None = None, source: str = "miniature") -> Findings:
    return collect(write_data(folder, figures, source=source), [])


def _texts(table: layout.Table) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_arms_stand_beside_each_other_with_difference_interval_and_both_ps(tmp_path: Path) -> None:
    table = layout.accuracy_table(_findings(tmp_path), {})
    assert _texts(table)["Colour ↑"] == [
        "41.1 %", "56.9 %", "+15.8", "+9.8 to +22.8", "< 0.001", "< 0.001", "90.0 %", "< 0.001", "< 0.001",
    ]  # fmt: skip
    assert all(len(row) == len(table.head) for row in table.rows)


def test_only_significant_differences_are_marked(tmp_path: Path) -> None:
    rows = {row[0].text: row[3].kind for row in layout.accuracy_table(_findings(tmp_path), {}).rows}
    assert rows["Colour ↑"].endswith("better")
    assert rows["Counting ↑"].endswith("worse")
    assert rows["Action ↑"] == "number"


def test_the_papers_figures_stand_in_grey_only_beside_the_papers_model(tmp_path: Path) -> None:
    findings = _findings(tmp_path)
    ours, theirs = (layout.accuracy_table(findings, printed) for printed in ({}, PRINTED))
    assert "Paper: base → adapter" not in ours.head
    assert _texts(theirs)["Counting ↑"][-1] == "14.67 → 36.67"
    assert _texts(theirs)["All three"][-1] == "–"
    assert "grey" in theirs.rows[0][-1].kind
    assert _texts(layout.quality_table(findings, PRINTED))["BRISQUE ↓"][-1] == "13.85 → 14.78"


def test_what_was_not_computed_says_why_and_never_0(tmp_path: Path) -> None:
    table = _texts(layout.quality_table(_findings(tmp_path), {}))
    assert table["MUSIQ ↑"] == ["not computed: evaluate.metrics has no entry of kind musiq"]
    assert table["User preference for the adapter ↑"][0].startswith("not computed: reviews/preference")


def test_a_preference_has_its_interval(tmp_path: Path) -> None:
    found = {"answers": 267, "ties": 0, "adapted": 0.4644, "low": 0.405, "high": 0.524, "p": 0.27}
    table = _texts(layout.quality_table(_findings(tmp_path, {**metrics(), "preference": found}), {}))
    assert table["User preference for the adapter ↑"] == ["46.4 % (40.5 % to 52.4 %, p 0.270, 267 answers)"]


def _judged(**changed: Any) -> dict[str, Any]:
    line_ = line(0.661, 0.655, 0.41, p_holm=None, mcnemar_p=None, low=-0.0201, high=0.0082)
    equal = {"difference": -0.006, "margin": 0.03, "p": 0.012, "p_not_worse": 0.012}
    return {**metrics(), "judge_quality": {"all": line_}, "judge_quality_equivalence": equal, **changed}


def test_the_judges_quality_stands_with_its_equivalence_and_is_called_the_judges(tmp_path: Path) -> None:
    table = layout.quality_table(_findings(tmp_path, _judged()), PRINTED)
    assert _texts(table)["Quality by the judge ↑"] == [
        "base 0.661, adapter 0.655 (Δ −0.006, 95 % interval −0.020 to +0.008, p 0.410)", "–",
    ]  # fmt: skip
    assert _texts(table)["Quality by the judge, adapter"] == [
        "is equal within 0.2 standard deviations of the base's prompt means (equivalence test, p 0.012)", "–",
    ]  # fmt: skip
    assert "miniature.oracle's own score" in table.note
    assert all(len(row) == len(table.head) for row in table.rows)


def test_equivalence_that_was_not_shown_or_not_defined_is_not_called_equal(tmp_path: Path) -> None:
    unsure = {"difference": -0.006, "margin": 0.03, "p": 0.3, "p_not_worse": 0.3}
    told = [
        _texts(layout.quality_table(_findings(tmp_path, _judged(judge_quality_equivalence=found)), {}))
        for found in (unsure, {})
    ]
    shown = [table["Quality by the judge, adapter"][0] for table in told]
    assert shown[0].startswith("was not shown to be equal within 0.2")
    assert shown[1].startswith("not computed")


def test_a_judge_that_does_not_rate_has_no_row(tmp_path: Path) -> None:
    table = layout.quality_table(_findings(tmp_path), {})
    assert not [name for name in _texts(table) if "judge" in name]
    assert "judge" not in table.note


def test_tables_without_figures_are_empty_but_there(tmp_path: Path) -> None:
    assert layout.accuracy_table(_findings(tmp_path, {}), PRINTED).rows == []


def test_without_a_complex_arm_there_is_no_ceiling(tmp_path: Path) -> None:
    figures = metrics()
    del figures["accuracy"]["colour"]["complex"]
    assert _texts(layout.accuracy_table(_findings(tmp_path, figures), {}))["Colour ↑"][6] == "–"


def test_the_papers_prompts_have_the_papers_figures(tmp_path: Path) -> None:
    table = _texts(layout.prompt_table(_findings(tmp_path, source="paper_table7")))
    assert table["Seven vintage glass bottles."] == ["counting", "25.0 %", "50.0 %", "–", "0 → 36.92"]
    assert table["<b>a | b</b>"][-1] == "–"


def test_the_funnel_says_what_was_dropped_and_survives_an_empty_stage(tmp_path: Path) -> None:
    findings = _findings(tmp_path)
    table = _texts(layout.funnel_table([*findings.funnel, layout.Step("none", 0, 0, {})]))
    assert table["clip_filter"] == ["899", "520", "57.8 %", "simple_scores_lower 379"]
    assert table["none"] == ["0", "0", "–", ""]


def test_models_show_what_was_measured() -> None:
    table = layout.models_table([layout.Model("LLM", "here", "abc", {"perplexity": 2.34567, "accuracy": 0.5})])
    assert _texts(table)["LLM"] == ["here @ abc", "accuracy 0.5; perplexity 2.346"]


def test_a_metric_that_was_computed_stands_with_its_arrow_its_digits_and_its_equality(tmp_path: Path) -> None:
    equal = {"difference": 0.93, "margin": 1.2, "p": 0.2, "p_not_worse": 0.2}
    figures = {**metrics(), "brisque": {"all": line(13.85, 14.78, 0.2)}, "brisque_equivalence": equal}
    table = _texts(layout.quality_table(_findings(tmp_path, figures), {}))
    assert table["BRISQUE ↓"] == ["base 13.85, adapter 14.78 (Δ +0.93, 95 % interval +0.87 to +1.00, p 0.200)"]
    assert table["BRISQUE, adapter"][0].startswith("was not shown to be equal")


def test_missing_weights_are_told_in_the_metrics_own_row(tmp_path: Path) -> None:
    findings = replace(_findings(tmp_path), not_computed={"brisque": "weights weights/brisque missing"})
    table = _texts(layout.quality_table(findings, {}))
    assert table["BRISQUE ↓"] == ["not computed: weights weights/brisque missing"]
    gaps = {gap.what: gap.why for gap in missing.gaps(findings, Studies(), "here")}
    assert gaps["brisque"] == "not computed: weights weights/brisque missing"
    assert gaps["Table 3: MUSIQ"] == "evaluate.metrics has no entry of kind musiq"
    assert "Table 3: BRISQUE" not in gaps


def test_further_models_of_fit_stand_below_the_skills(tmp_path: Path) -> None:
    figures = {**metrics(), "pickscore_score": {"all": line(0.4, 0.6, 0.2, p_holm=None, mcnemar_p=None)}}
    table = layout.accuracy_table(_findings(tmp_path, figures), PRINTED)
    assert _texts(table)["PickScore Score ↑"][:2] == ["0.400", "0.600"]
    assert all(len(row) == len(table.head) for row in table.rows)


def _cells(folder: Path) -> Findings:
    found = {**metrics(), "brisque": {"all": line(13.85, 14.78, 0.2)}}
    canny = {**found, "accuracy": {**found["accuracy"], "colour": line(0.1, 0.9, 0.001)}, "brisque": {}}
    return _findings(folder, {**found, "cells": {f"{SD15} none": found, f"{SD15} canny": canny}})


def test_each_method_has_its_block_of_rows_beside_the_papers_figures_for_it(tmp_path: Path) -> None:
    table = layout.accuracy_table(_cells(tmp_path), PRINTED)
    names = [row[0].text for row in table.rows]
    plain, canny = names.index("Method: none"), names.index("Method: canny")
    assert (plain, canny, table.head[0]) == (0, 6, "Method")
    rows = [row for row in table.rows if row[0].text == "Colour ↑"]
    assert [row[1].text for row in rows] == ["41.1 %", "10.0 %"]
    assert [row[-1].text for row in rows] == ["81.33 → 87.33", "68.67 → 69.33"]
    assert "Holm over the 6 skills of all 2 methods" in table.note
    assert all(len(row) == len(table.head) for row in table.rows)


def test_each_methods_quality_is_its_own(tmp_path: Path) -> None:
    table = layout.quality_table(_cells(tmp_path), PRINTED)
    rows = [row for row in table.rows if row[0].text == "BRISQUE ↓"]
    assert rows[0][1].text.startswith("base 13.85")
    assert rows[1][1].text.startswith("not computed")
    assert [row[-1].text for row in rows] == ["13.85 → 14.78", "22.68 → 25.15"]
    assert all(len(row) == len(table.head) for row in table.rows)


def test_a_single_controlled_method_is_called_by_its_name(tmp_path: Path) -> None:
    findings = replace(_findings(tmp_path), reports={"sample": {"methods": {"sag": 40}}})
    table = layout.accuracy_table(findings, PRINTED)
    assert table.head[0] == "Method: sag"
    assert _texts(table)["Counting ↑"][-1] == "12.67 → 14"
    assert "Holm over the three skills" in table.note
    assert P_DECIDES in table.note


def test_a_preference_has_its_interval_over_people_and_other_questions_their_rows(tmp_path: Path) -> None:
    found = {"answers": 40, "ties": 0, "reviewers": 4, "adapted": 0.6, "low": 0.45, "high": 0.73, "p": 0.27}
    over_people = {**found, "low_by_reviewer": 0.4, "high_by_reviewer": 0.8, "p_holm": 0.54}
    figures = {**metrics(), "preference": over_people, "preference_text": found}
    table = _texts(layout.quality_table(_findings(tmp_path, figures), {}))
    assert table["User preference for the adapter ↑"] == [
        "60.0 % (45.0 % to 73.0 %; over 4 people 40.0 % to 80.0 %, p 0.270, Holm 0.540, 40 answers)"
    ]
    assert table["Preference, question text"] == ["60.0 % (45.0 % to 73.0 %, p 0.270, 40 answers)"]


def test_llm_expanded_prompts_have_a_column_where_they_were_drawn(tmp_path: Path) -> None:
    title, figures = "Base, LLM-expanded prompt", metrics()
    figures["accuracy"]["colour"]["expanded"] = 0.653
    findings = _findings(tmp_path, figures)
    drawn = replace(
        findings,
        prompts=[{**row, "expanded": share} for row, share in zip(findings.prompts, ("", "0.75"), strict=True)],
    )
    tables = [layout.accuracy_table(drawn, {}), layout.prompt_table(drawn)]
    for table in tables:
        assert table.head.index(title) == table.head.index("Base, complex prompt") + 1
        assert all(len(row) == len(table.head) for row in table.rows)
    assert _texts(tables[0])["Colour ↑"][6:8] == ["90.0 %", "65.3 %"]
    assert _texts(tables[0])["Action ↑"][6:8] == ["80.0 %", "–"]
    assert "of the skills all of whose prompts have one" in tables[0].note
    assert [row[5].text for row in tables[1].rows] == ["–", "75.0 %"]
    for table in (layout.accuracy_table(findings, {}), layout.prompt_table(findings)):
        assert title not in table.head
        assert "expanded" not in table.note

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.report import layout, paper, prompt_table
from pipeline.report.collect import Findings, collect
from pipeline.report.words import P_DECIDES
from tests.pipeline.report.folder import line, metrics, write_data

SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
PRINTED = paper.figures(paper.Run(SD15, "huggyllama/llama-13b", 40, "sur", llm_loss=True, complex_prompt_loss=True))


def _findings(folder: Path, figures: dict[str, Any] | None = None, source: str = "miniature") -> Findings:
    return collect(write_data(folder, figures, source=source), [])


def _is_even(table: layout.Table) -> bool:
    """Whether every row fills all columns."""
    return all(sum(table.span(cell, row) for cell in row) == len(table.head) for row in table.rows)


def _texts(table: layout.Table) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_arms_stand_beside_each_other_with_difference_interval_and_both_ps(tmp_path: Path) -> None:
    table = layout.accuracy_table(_findings(tmp_path), {})
    assert _texts(table)["Colour ↑"] == [
        "41.1 %", "56.9 %", "+15.8", "+9.8 to +22.8", "< 0.001", "< 0.001", "90.0 %", "< 0.001", "< 0.001",
        "20 (80)",
    ]  # fmt: skip
    assert _is_even(table)


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
    assert _texts(theirs)["All three ↑"][-1] == "–"
    assert "grey" in theirs.rows[0][-1].kind


def test_tables_without_figures_are_empty_but_there(tmp_path: Path) -> None:
    assert layout.accuracy_table(_findings(tmp_path, {}), PRINTED).rows == []


def test_without_a_complex_arm_there_is_no_ceiling(tmp_path: Path) -> None:
    figures = metrics()
    del figures["accuracy"]["colour"]["complex"]
    assert _texts(layout.accuracy_table(_findings(tmp_path, figures), {}))["Colour ↑"][6] == "–"


def test_the_papers_prompts_have_the_papers_figures(tmp_path: Path) -> None:
    found = prompt_table.prompt_table(_findings(tmp_path, source="paper_table7"))
    table = _texts(found)
    assert (found.title, found.head[-1]) == ("Table 7: prompt by prompt", layout.PAPER)
    assert table["Seven vintage glass bottles."] == ["counting", "25.0 %", "50.0 %", "+25.0", "–", "0 → 36.92"]
    assert table["<b>a | b</b>"][-1] == "–"


def test_further_models_of_fit_stand_below_the_skills(tmp_path: Path) -> None:
    figures = {**metrics(), "pickscore_score": {"all": line(0.4, 0.6, 0.2, p_holm=None, mcnemar_p=None)}}
    table = layout.accuracy_table(_findings(tmp_path, figures), PRINTED)
    assert _texts(table)["PickScore Score ↑"][:2] == ["0.400", "0.600"]
    assert _is_even(table)


def _cells(folder: Path) -> Findings:
    found = {**metrics(), "brisque": {"all": line(13.85, 14.78, 0.2)}}
    canny = {**found, "accuracy": {**found["accuracy"], "colour": line(0.1, 0.9, 0.001)}, "brisque": {}}
    return _findings(folder, {**found, "cells": {f"{SD15} none": found, f"{SD15} canny": canny}})


def test_each_method_has_its_block_of_rows_beside_the_papers_figures_for_it(tmp_path: Path) -> None:
    table = layout.accuracy_table(_cells(tmp_path), PRINTED)
    names = [row[0].text for row in table.rows]
    plain, canny = names.index("Method: none"), names.index("Method: canny")
    assert (plain, canny, table.head[0]) == (0, 7, "Method")
    rows = [row for row in table.rows if row[0].text == "Colour ↑"]
    assert [row[1].text for row in rows] == ["41.1 %", "10.0 %"]
    assert [row[-1].text for row in rows] == ["81.33 → 87.33", "68.67 → 69.33"]
    assert "Holm over the 6 skills of all 2 methods" in table.note
    assert _is_even(table)


def test_a_single_controlled_method_is_called_by_its_name(tmp_path: Path) -> None:
    findings = replace(_findings(tmp_path), reports={"sample": {"methods": {"sag": 40}}})
    table = layout.accuracy_table(findings, PRINTED)
    assert table.head[0] == "Method: sag"
    assert _texts(table)["Counting ↑"][-1] == "12.67 → 14"
    assert "Holm over the three skills" in table.note
    assert P_DECIDES in table.note


def test_plain_clip_score_has_a_row_with_both_arms_and_the_ceiling(tmp_path: Path) -> None:
    figures = metrics()
    figures["clip_cosine"]["all"] |= {"complex": 0.31, "p_holm": 0.04}
    table = _texts(layout.accuracy_table(_findings(tmp_path, figures), {}))
    assert table["CLIP cosine ↑"] == [
        "0.270", "0.280", "+0.010", "−0.050 to +0.080", "0.020", "0.040", "0.310", "–", "0.020", "20 (80)",
    ]  # fmt: skip
    assert table["CLIP Score ↑"][5:7] == ["–", "–"]


def test_tasks_of_public_benchmarks_have_rows_by_their_names(tmp_path: Path) -> None:
    figures = {"accuracy": {"geneval_colors": line(0.4, 0.6, 0.001), "all": line(0.4, 0.6, 0.001, p_holm=None)}}
    table = layout.accuracy_table(_findings(tmp_path, figures), {})
    assert [row[0].text for row in table.rows] == ["GenEval colors ↑", "All ↑"]
    assert "Holm over the 1 skills" in table.note


def test_every_further_judge_has_a_block_of_rows(tmp_path: Path) -> None:
    others = {"vqa": {"colour": line(0.2, 0.5, 0.001)}, "people": metrics()["accuracy"]}
    table = layout.accuracy_table(_findings(tmp_path, {**metrics(), "other_judges": others}), PRINTED)
    names = [row[0].text for row in table.rows]
    assert names[names.index("Judged by people") :] == [
        "Judged by people", "Action ↑", "Colour ↑", "Counting ↑", "All three ↑", "Judged by vqa", "Colour ↑",
    ]  # fmt: skip
    assert [row[1].text for row in table.rows if row[0].text == "Colour ↑"] == ["41.1 %", "41.1 %", "20.0 %"]
    assert _is_even(table)


AGREED = {"images": 40, "accuracy": 0.9, "kappa": 0.8, "ac1": 0.85}


def test_agreement_with_people_stands_in_the_note(tmp_path: Path) -> None:
    agreed = {**metrics(), "judge_agreement": {"miniature.oracle": AGREED}}
    notes = [
        layout.accuracy_table(_findings(tmp_path / name, figures), {}).note
        for name, figures in (("agreed", agreed), ("alone", metrics()))
    ]
    assert notes[0].endswith("Agreement with people: 40 images, accuracy 90.0 %, κ 0.80, AC1 0.85.")
    assert notes[1].endswith("Agreement with people: unknown, people judged none of the images that it decided.")
    by_people = replace(_findings(tmp_path / "people"), judge="people")
    assert "Agreement" not in layout.accuracy_table(by_people, {}).note


def test_agreement_with_people_is_each_methods_own(tmp_path: Path) -> None:
    same = {key: value for key, value in AGREED.items() if key != "kappa"}
    cells = {"sd none": {**metrics(), "judge_agreement": {"miniature.oracle": same}}, "sd canny": metrics()}
    table = layout.accuracy_table(_findings(tmp_path, {**metrics(), "cells": cells}), {})
    assert table.note.endswith(
        "Agreement with people: none: 40 images, accuracy 90.0 %, κ not defined, AC1 0.85; canny: unknown, people "
        "judged none of the images that it decided."
    )


def test_prompts_have_their_difference_and_all_of_them_their_tests(tmp_path: Path) -> None:
    table = prompt_table.prompt_table(_findings(tmp_path))
    assert (table.title, table.head[-1]) == ("Prompt by prompt", "Base, complex prompt")
    assert _texts(table)["Seven vintage glass bottles."] == ["counting", "25.0 %", "50.0 %", "+25.0", "–"]
    assert table.note.endswith(
        "Over all 20 prompts 42.0 % → 47.0 %, Δ +5.0: p 0.004 by sign flips over prompts, p 0.004 by the paper's "
        "t-test over images."
    )
    assert prompt_table.prompt_table(_findings(tmp_path, {})).note == "Share of right images; Δ in percentage points."
    assert prompt_table.prompt_gain("", "0.5") == prompt_table.prompt_gain("0.5", None) == "–"


def test_prompts_of_several_methods_say_whose_they_are(tmp_path: Path) -> None:
    assert prompt_table.prompt_table(_cells(tmp_path)).title == "Prompt by prompt, method none"


def test_llm_expanded_prompts_have_a_column_where_they_were_drawn(tmp_path: Path) -> None:
    title, figures = "Base, LLM-expanded prompt", metrics()
    figures["accuracy"]["colour"]["expanded"] = 0.653
    findings = _findings(tmp_path, figures)
    drawn = replace(
        findings,
        prompts=[{**row, "expanded": share} for row, share in zip(findings.prompts, ("", "0.75"), strict=True)],
    )
    tables = [layout.accuracy_table(drawn, {}), prompt_table.prompt_table(drawn)]
    for table in tables:
        assert table.head.index(title) == table.head.index("Base, complex prompt") + 1
        assert _is_even(table)
    assert _texts(tables[0])["Colour ↑"][6:8] == ["90.0 %", "65.3 %"]
    assert _texts(tables[0])["Action ↑"][6:8] == ["80.0 %", "–"]
    assert "of the skills all of whose prompts have one" in tables[0].note
    assert [row[6].text for row in tables[1].rows] == ["–", "75.0 %"]
    for table in (layout.accuracy_table(findings, {}), prompt_table.prompt_table(findings)):
        assert title not in table.head
        assert "expanded" not in table.note

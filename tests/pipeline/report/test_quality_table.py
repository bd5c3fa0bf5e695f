from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.report import missing
from pipeline.report.quality_table import quality_table
from pipeline.report.study_pages import Studies
from tests.pipeline.report.folder import line, metrics
from tests.pipeline.report.test_layout import PRINTED, _cells, _findings, _is_even, _texts


def test_what_was_not_computed_says_why_and_never_0(tmp_path: Path) -> None:
    table = _texts(quality_table(_findings(tmp_path), {}))
    assert table["MUSIQ ↑"] == ["not computed: evaluate.metrics has no entry of kind musiq"]
    assert table["User preference ↑"][0].startswith("not computed: reviews/preference")


def test_a_preference_has_its_interval(tmp_path: Path) -> None:
    found = {"answers": 267, "ties": 0, "adapted": 0.4644, "low": 0.405, "high": 0.524, "p": 0.27}
    table = _texts(quality_table(_findings(tmp_path, {**metrics(), "preference": found}), {}))
    assert table["User preference ↑"] == [
        "53.6 %", "46.4 %", "–", "40.5 % to 52.4 %", "0.270", "–", "–", "–", "267 answers",
    ]  # fmt: skip


def _judged(**changed: Any) -> dict[str, Any]:
    line_ = line(0.661, 0.655, 0.41, p_holm=None, mcnemar_p=None, low=-0.0201, high=0.0082)
    equal = {"difference": -0.006, "margin": 0.03, "p": 0.012, "p_not_worse": 0.012}
    return {**metrics(), "judge_quality": {"all": line_}, "judge_quality_equivalence": equal, **changed}


def test_the_judges_quality_stands_with_its_equivalence_and_is_called_the_judges(tmp_path: Path) -> None:
    table = quality_table(_findings(tmp_path, _judged()), PRINTED)
    assert _texts(table)["Quality by the judge ↑"] == [
        "0.661", "0.655", "−0.006", "−0.020 to +0.008", "0.410", "–", "equal (p 0.012)", "0.410", "20 (80)", "–",
    ]  # fmt: skip
    assert "equal within 0.2 standard deviations of the base's prompt means" in table.note
    assert "miniature.oracle's own score" in table.note
    assert _is_even(table)


def test_equivalence_that_was_not_shown_or_not_defined_is_not_called_equal(tmp_path: Path) -> None:
    unsure = {"difference": -0.006, "margin": 0.03, "p": 0.3, "p_not_worse": 0.3}
    worse = {**unsure, "p": 0.999, "p_not_worse": 0.999}
    told = [
        _texts(quality_table(_findings(tmp_path, _judged(judge_quality_equivalence=found)), {}))
        for found in (unsure, worse, {})
    ]
    shown = [table["Quality by the judge ↑"][6] for table in told]
    assert shown[:2] == ["not shown (p 0.300)", "worse (p 0.001)"]
    assert shown[2].startswith("not tested: needs two prompts")


def test_a_judge_that_does_not_rate_has_no_row(tmp_path: Path) -> None:
    table = quality_table(_findings(tmp_path), {})
    assert not [name for name in _texts(table) if "judge" in name]
    assert "judge" not in table.note
    assert _texts(quality_table(_findings(tmp_path), PRINTED))["BRISQUE ↓"][-1] == "13.85 → 14.78"


def test_a_metric_that_was_computed_stands_with_its_arrow_its_digits_and_its_equality(tmp_path: Path) -> None:
    equal = {"difference": 0.93, "margin": 1.2, "p": 0.2, "p_not_worse": 0.2}
    figures = {**metrics(), "brisque": {"all": line(13.85, 14.78, 0.2)}, "brisque_equivalence": equal}
    table = _texts(quality_table(_findings(tmp_path, figures), {}))
    assert table["BRISQUE ↓"] == [
        "13.85", "14.78", "+0.93", "+0.87 to +1.00", "0.200", "0.400", "not shown (p 0.200)", "0.200", "20 (80)",
    ]  # fmt: skip


def test_missing_weights_are_told_in_the_metrics_own_row(tmp_path: Path) -> None:
    findings = replace(_findings(tmp_path), not_computed={"brisque": "weights weights/brisque missing"})
    table = _texts(quality_table(findings, {}))
    assert table["BRISQUE ↓"] == ["not computed: weights weights/brisque missing"]
    gaps = {gap.what: gap.why for gap in missing.gaps(findings, Studies(), "here")}
    assert gaps["brisque"] == "not computed: weights weights/brisque missing"
    assert gaps["Table 3: MUSIQ"] == "evaluate.metrics has no entry of kind musiq"
    assert "Table 3: BRISQUE" not in gaps


def test_each_methods_quality_is_its_own(tmp_path: Path) -> None:
    table = quality_table(_cells(tmp_path), PRINTED)
    rows = [row for row in table.rows if row[0].text == "BRISQUE ↓"]
    assert rows[0][1].text == "13.85"
    assert rows[1][1].text.startswith("not computed")
    assert [row[-1].text for row in rows] == ["13.85 → 14.78", "22.68 → 25.15"]
    assert _is_even(table)


def test_a_preference_has_its_interval_over_people_and_other_questions_their_rows(tmp_path: Path) -> None:
    found = {"answers": 40, "ties": 0, "reviewers": 4, "adapted": 0.6, "low": 0.45, "high": 0.73, "p": 0.27}
    over_people = {**found, "low_by_reviewer": 0.4, "high_by_reviewer": 0.8, "p_holm": 0.54}
    figures = {**metrics(), "preference": over_people, "preference_text": found}
    table = _texts(quality_table(_findings(tmp_path, figures), {}))
    ends = "45.0 % to 73.0 %"
    assert table["User preference ↑"][:6] == [
        "40.0 %", "60.0 %", "–", f"{ends}; over 4 people 40.0 % to 80.0 %", "0.270", "0.540",
    ]  # fmt: skip
    assert table["Preference, question text"][3:] == [ends, "0.270", "–", "–", "–", "40 answers"]

from pathlib import Path
from typing import Any

from pipeline.report import render
from pipeline.report.collect import Findings, collect
from pipeline.report.trust_table import trust_table
from tests.pipeline.report.folder import MODELS, metrics, write_data

COUNTS = {"images": 40, "accuracy": 0.9, "ac1": 0.85, "true_yes": 20, "false_yes": 3, "false_no": 1, "true_no": 16}
AGREED = {**COUNTS, "kappa": 0.8, "balanced_accuracy": 0.89, "by_type": {"colour": COUNTS}, "by_arm": {"base": COUNTS}}
POWERED = {"base": {"mean": 0.42, "low": 0.31, "high": 0.53, "people": 20, "judged": 80}}


def _findings(tmp_path: Path, **changed: Any) -> Findings:
    return collect(write_data(tmp_path, {**metrics(), **changed}), MODELS)


def test_agreement_stands_over_all_by_type_and_by_arm(tmp_path: Path) -> None:
    findings = _findings(tmp_path, judge_agreement={"oracle": AGREED}, prediction_powered={"oracle": POWERED})
    table = trust_table(findings)
    assert table is not None
    rows = {row[1].text: [cell.text for cell in row[2:]] for row in table.rows}
    assert rows["all"] == ["40", "90.0 %", "0.89", "0.80", "0.85", "3, 1", "–"]
    assert rows["colour"][2:4] == ["–", "–"]
    assert rows["arm base"][-1] == "42.0 % (31.0 % to 53.0 %)"
    assert all(len(row) == len(table.head) for row in table.rows)


def test_without_people_there_is_no_table(tmp_path: Path) -> None:
    assert trust_table(_findings(tmp_path)) is None


def test_the_report_has_it_among_its_results(tmp_path: Path) -> None:
    findings = _findings(tmp_path, judge_agreement={"oracle": AGREED})
    found = render.content(findings, [], [], [], printed={}, title="t")
    assert found.results[-1].title == "How far the judge can be trusted"


def test_each_method_has_its_own_rows_by_its_name(tmp_path: Path) -> None:
    first = {**metrics(), "judge_agreement": {"oracle": AGREED}, "prediction_powered": {"oracle": POWERED}}
    second = {**metrics(), "judge_agreement": {"oracle": {**AGREED, "accuracy": 0.5}}}
    table = trust_table(_findings(tmp_path, **first, cells={"sd none": first, "sd canny": second}))
    assert table is not None
    assert table.head[0] == "Method"
    told = [[row[0].text, row[2].text, row[4].text, row[-1].text] for row in table.rows]
    assert told[0] == ["none", "all", "90.0 %", "–"]
    assert told[2] == ["none", "arm base", "90.0 %", "42.0 % (31.0 % to 53.0 %)"]
    assert told[3] == ["canny", "all", "50.0 %", "–"]
    assert told[5][-1] == "–"
    assert all(len(row) == len(table.head) for row in table.rows)

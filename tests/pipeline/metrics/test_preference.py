import json
from pathlib import Path

import pytest
from scipy import stats

from pipeline.metrics.preference import preference, read_choices

PICTURES = {"x/00/base": "a" * 64, "x/00/adapted": "b" * 64}


def _line(choice: str, *, reviewer: str = "Ann", question: str = "overall", index: int = 0) -> str:
    line = {"prompt_id": "x", "index": index, "sha256_base": "a" * 64, "sha256_adapted": "b" * 64}
    return json.dumps({**line, "reviewer": reviewer, "question": question, "choice": choice})


def test_the_last_answer_to_a_question_holds_and_others_pictures_are_stale(tmp_path: Path) -> None:
    lines = [_line("base"), _line("adapted"), _line("tie", question="colour"), _line("base", index=3)]
    (tmp_path / "ann.jsonl").write_text("\n".join(lines))
    choices, stale = read_choices(tmp_path, PICTURES)
    assert choices == {"overall": ["adapted"], "colour": ["tie"]}
    assert stale == 1


def test_the_papers_preference_is_no_significant_difference() -> None:
    # Table 3, SD 1.5, ControlNet seg: 53.56 % of 267 answers for the base image.
    found = preference(["base"] * 143 + ["adapted"] * 124, confidence=0.95)
    assert found is not None
    assert found["adapted"] == pytest.approx(0.4644, abs=5e-5)
    assert found["p"] == pytest.approx(stats.binomtest(143, 267).pvalue)
    assert found["p"] > 0.2
    assert found["low"] < 0.4644 < found["high"]


def test_ties_are_counted_and_decide_nothing() -> None:
    found = preference(["adapted", "tie", "tie"], confidence=0.95)
    assert found is not None
    assert (found["answers"], found["ties"], found["adapted"]) == (3, 2, 1.0)
    assert preference(["tie"], confidence=0.95) is None
    assert preference([], confidence=0.95) is None

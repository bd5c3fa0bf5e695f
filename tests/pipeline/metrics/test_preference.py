import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pipeline.metrics.pictures import Picture
from pipeline.metrics.preference import Choice, preference, read_choices
from pipeline.metrics.settings import EvaluateParams

PICTURES = [
    Picture(f"x/00/{arm}", arm, "x", "colour", 0, sha256=letter * 64, cell="sd none")
    for arm, letter in (("base", "a"), ("adapted", "b"))
]
CONFIG = EvaluateParams(metrics=(), judges=(), confidence=0.95, bootstrap=2000, equivalence_margin_sd=0.2, seed=0)


def _choices(*said: str, reviewer: str = "Ann") -> list[Choice]:
    return [Choice("overall", choice, reviewer) for choice in said]


def _line(choice: str, *, reviewer: str = "Ann", question: str = "overall", index: int = 0) -> str:
    line = {"prompt_id": "x", "index": index, "sha256_base": "a" * 64, "sha256_adapted": "b" * 64}
    return json.dumps({**line, "reviewer": reviewer, "question": question, "choice": choice})


def test_the_last_answer_to_a_question_holds_and_others_pictures_are_stale(tmp_path: Path) -> None:
    lines = [_line("base"), _line("adapted"), _line("tie", question="colour"), _line("base", index=3)]
    (tmp_path / "ann.jsonl").write_text("\n".join(lines))
    choices, stale = read_choices(tmp_path, PICTURES)
    assert choices == [Choice("overall", "adapted", "Ann", "sd none"), Choice("colour", "tie", "Ann", "sd none")]
    assert stale == 1


def test_the_papers_preference_is_no_significant_difference() -> None:
    # Table 3, SD 1.5, ControlNet seg: 53.56 % of 267 answers for the base image.
    found = preference(_choices(*["base"] * 143, *["adapted"] * 124), CONFIG)
    assert found is not None
    assert found["adapted"] == pytest.approx(0.4644, abs=5e-5)
    assert found["p"] == pytest.approx(stats.binomtest(143, 267).pvalue)
    assert found["p"] > 0.2
    assert found["low"] < 0.4644 < found["high"]


def test_ties_are_counted_and_decide_nothing() -> None:
    found = preference(_choices("adapted", "tie", "tie"), CONFIG)
    assert found is not None
    assert (found["answers"], found["ties"], found["adapted"]) == (3, 2, 1.0)
    assert preference(_choices("tie"), CONFIG) is None
    assert preference([], CONFIG) is None


def test_answers_of_one_person_are_not_taken_for_independent() -> None:
    """Twenty people of ten answers each; each person has a taste, so that shares spread more than a binomial's."""
    rng = np.random.default_rng(0)
    choices = [
        choice
        for person, taste in enumerate(rng.choice([0.1, 0.9], 20))
        for choice in _choices(*np.where(rng.random(10) < taste, "adapted", "base"), reviewer=f"person {person}")
    ]
    found = preference(choices, CONFIG)
    assert found is not None
    assert found["reviewers"] == 20
    assert found["low_by_reviewer"] < found["adapted"] < found["high_by_reviewer"]
    assert found["high_by_reviewer"] - found["low_by_reviewer"] > 1.8 * (found["high"] - found["low"])


def test_one_person_or_people_who_all_say_the_same_have_no_interval_over_people() -> None:
    for said in (_choices("adapted", "base"), _choices("adapted") + _choices("adapted", reviewer="Bob")):
        found = preference(said, CONFIG)
        assert found is not None
        assert "low_by_reviewer" not in found

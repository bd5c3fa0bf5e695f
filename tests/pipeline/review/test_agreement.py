import json
from pathlib import Path

import pytest

from pipeline.review import agreement


def test_the_summary_has_every_pair_of_reviewers() -> None:
    ballots = [
        {"Ann": "keep", "Bob": "keep", "Cem": "keep"},
        {"Ann": "keep", "Bob": "reject"},
        {"Bob": "reject", "Ann": "reject"},
        {"Dora": "unsure"},
    ]
    figures = agreement.summary(ballots, {"Ann": [2.0, 9.0, 3.0]})
    assert figures["judged_by_both"] == {"Ann | Bob": 3, "Ann | Cem": 1, "Bob | Cem": 1}
    assert figures["cohen_kappa"]["Ann | Bob"] == pytest.approx(0.4)
    assert figures["cohen_kappa"]["Ann | Cem"] is None
    assert "cohen_kappa, Ann | Cem" in {gap["metric"] for gap in figures["not_computed"]}
    assert figures["raw_share"] == pytest.approx(4 / 5)
    assert figures["reviewers"]["Ann"] == {"judged": 3, "keep_rate": pytest.approx(2 / 3), "median_seconds": 3.0}
    assert figures["reviewers"]["Dora"] == {"judged": 1, "keep_rate": 0.0}


def test_what_cannot_be_computed_is_null_with_its_reason() -> None:
    figures = agreement.summary([{"Ann": "keep"}], {})
    assert figures["raw_share"] is None
    assert figures["krippendorff_alpha"] is None
    assert {gap["metric"] for gap in figures["not_computed"]} == {"raw_share", "krippendorff_alpha", "cohen_kappa"}


def test_verdicts_on_generated_pictures_have_their_agreement(tmp_path: Path) -> None:
    sha = {"x/00/base": "a" * 64, "x/00/adapted": "b" * 64}
    seen = {"sample_id": "x/00/base", "sha256": "a" * 64}
    semantic = [
        {**seen, "reviewer": "Ann", "verdict": "yes", "seconds": 2},
        {**seen, "reviewer": "Bob", "answers": {"colour": "yes", "action": "no"}},
        {**seen, "reviewer": "Cem", "verdict": "yes", "adjudicated": True},
        {**seen, "reviewer": "Ann", "sha256": "c" * 64, "verdict": "no"},
    ]
    pair = {"prompt_id": "x", "index": 0, "sha256_base": "a" * 64, "sha256_adapted": "b" * 64, "left": "base"}
    sides = [
        {**pair, "reviewer": "Ann", "answers": {"overall": "right", "text": "tie"}},
        {**pair, "reviewer": "Bob", "answers": {"overall": "right"}},
    ]
    for task, lines in {"semantic": semantic, "preference": sides}.items():
        (tmp_path / task).mkdir()
        (tmp_path / task / "all.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = agreement.of_generated(tmp_path, sha)
    assert found["semantic"]["raw_share"] == 0.0
    assert found["semantic"]["reviewers"] == {
        "Ann": {"judged": 1, "yes_rate": 1.0, "median_seconds": 2.0},
        "Bob": {"judged": 1, "yes_rate": 0.0},
    }
    assert found["preference, overall"]["raw_share"] == 1.0
    assert found["preference, overall"]["reviewers"]["Ann"]["adapted_rate"] == 1.0
    assert found["preference, text"]["raw_share"] is None
    assert agreement.of_generated(tmp_path / "nobody", sha) == {}

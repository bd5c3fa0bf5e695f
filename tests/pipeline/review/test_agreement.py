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
    assert "cohen_kappa, Ann | Cem" in figures["not_computed"]
    assert figures["raw_share"] == pytest.approx(4 / 5)
    assert figures["reviewers"]["Ann"] == {"judged": 3, "keep_rate": pytest.approx(2 / 3), "median_seconds": 3.0}
    assert figures["reviewers"]["Dora"] == {"judged": 1, "keep_rate": 0.0}


def test_what_cannot_be_computed_is_null_with_its_reason() -> None:
    figures = agreement.summary([{"Ann": "keep"}], {})
    assert figures["raw_share"] is None
    assert figures["krippendorff_alpha"] is None
    assert set(figures["not_computed"]) == {"raw_share", "krippendorff_alpha", "cohen_kappa"}

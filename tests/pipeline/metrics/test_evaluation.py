from pipeline.metrics import evaluation

LINE = {"base": 0.1, "adapted": 0.4, "low": 0.2, "high": 0.5, "p": 0.01, "p_holm": 0.02, "pairs": 80, "mcnemar_p": None}


def test_experiments_are_told_apart_by_a_few_figures():
    found = {"accuracy": {"colour": LINE, "all": {**LINE, "p_holm": None}}, "clip_score": {"all": {"adapted": 0.6}}}
    assert evaluation.headline(found) == {
        "colour": {"base": 0.1, "adapted": 0.4, "low": 0.2, "high": 0.5, "p_holm": 0.02},
        "all": {"base": 0.1, "adapted": 0.4, "low": 0.2, "high": 0.5},
        "clip_score": 0.6,
    }


def test_what_was_not_computed_is_absent_from_the_headline():
    assert evaluation.headline({}) == {}
    assert evaluation.headline({"clip_score": {"all": {"adapted": 0.6}}}) == {"clip_score": 0.6}

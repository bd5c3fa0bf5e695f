import pytest

from miniature.truth import filtering, inputs
from miniature.truth.rules import Rule, rule_of
from pipeline.errors import InputError
from tests.miniature.truth import made
from tests.pipeline.frozen_models import clip_params

PAPER = rule_of(clip_params())


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return inputs.read(made.write(tmp_path_factory.mktemp("data")), made.SITES)


def test_the_rule_in_force_is_what_the_stage_kept(found):
    figures = filtering.figures(found.scores, found.truth, PAPER)
    assert figures["whole"]["kept"] == sum(row["kept"] for row in found.scores) == 7
    assert figures["whole"]["prompt_belongs"]["precision"] == round(4 / 7, 4)
    assert figures["scores"] == {"own": 90.35, "swapped": 5.0}


def test_a_minimum_complex_score_drops_what_the_paper_keeps(found):
    rules = filtering.figures(found.scores, found.truth, PAPER)["rules"]
    first, second = rules[filtering.IN_FORCE], rules[filtering.SECOND]
    assert first["other"]["by_truth"]["swapped_right"] == {"pairs": 1, "kept": 1}
    assert second["other"]["by_truth"]["swapped_right"] == {"pairs": 1, "kept": 0}
    assert second["train"]["both"]["f1"] == 1.0
    assert second["bounds"]["min_complex"] == pytest.approx(90.1)  # the laxest of equal ones
    assert set(rules) == set(filtering.RULES)


def test_bounds_are_chosen_on_the_train_split_alone(found):
    turned = [{**row, "score_complex": 91.0 if row["split"] == "val" else row["score_complex"]} for row in found.scores]
    turned = [{**row, "kept": row["score_simple"] >= row["score_complex"]} for row in turned]
    first, second = (filtering.figures(rows, found.truth, PAPER) for rows in (found.scores, turned))
    assert first["rules"][filtering.SECOND]["bounds"] == second["rules"][filtering.SECOND]["bounds"]
    assert first["rules"][filtering.SECOND]["other"] != second["rules"][filtering.SECOND]["other"]


def test_scores_of_another_margin_are_refused(found):
    with pytest.raises(InputError, match=r"not made with clip.margin 50: run dvc repro first"):
        filtering.figures(found.scores, found.truth, Rule(margin=50.0))


def test_a_table_without_training_samples_is_refused(found):
    with pytest.raises(InputError, match="no pair of the train split"):
        filtering.figures([{**row, "split": "val"} for row in found.scores], found.truth, PAPER)


def test_without_swapped_prompts_there_is_no_mean_of_them(found):
    own = [row for row in found.scores if found.truth[row["sample_id"]]["fault"] is None]
    assert filtering.figures(own, found.truth, PAPER)["scores"]["swapped"] is None


def test_minimums_in_force_are_followed_and_told(found):
    asked = rule_of(clip_params(min_simple=60.0, min_complex=10.0))
    kept = [
        {**row, "kept": row["kept"] and row["score_simple"] >= 60 and row["score_complex"] >= 10}
        for row in found.scores
    ]
    figures = filtering.figures(kept, found.truth, asked)
    assert figures["margin"] == 0.0
    assert figures["minimums"] == {"min_complex": 10.0, "min_simple": 60.0}
    assert (
        figures["whole"]["kept"]
        == figures["rules"][filtering.IN_FORCE]["train"]["kept"]
        + (figures["rules"][filtering.IN_FORCE]["other"]["kept"])
    )
    assert figures["whole"]["kept"] < 7
    with pytest.raises(InputError, match=r"not made with clip.margin 0, clip.min_complex 10, clip.min_simple 60: run"):
        filtering.figures(found.scores, found.truth, asked)
    assert filtering.figures(found.scores, found.truth, PAPER)["minimums"] == {}

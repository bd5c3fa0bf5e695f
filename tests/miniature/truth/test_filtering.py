import pytest

from miniature.truth import filtering, inputs
from pipeline.errors import InputError
from tests.miniature.truth import made


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return inputs.read(made.write(tmp_path_factory.mktemp("data")), made.SITES)


def test_the_rule_in_force_is_what_the_stage_kept(found):
    figures = filtering.figures(found.scores, found.truth, 0.0)
    assert figures["whole"]["kept"] == sum(row["kept"] for row in found.scores) == 7
    assert figures["whole"]["prompt_belongs"]["precision"] == round(4 / 7, 4)
    assert figures["scores"] == {"own": 90.35, "swapped": 5.0}


def test_a_minimum_complex_score_drops_what_the_paper_keeps(found):
    rules = filtering.figures(found.scores, found.truth, 0.0)["rules"]
    first, second = rules[filtering.IN_FORCE], rules[filtering.SECOND]
    assert first["other"]["by_truth"]["swapped_right"] == {"pairs": 1, "kept": 1}
    assert second["other"]["by_truth"]["swapped_right"] == {"pairs": 1, "kept": 0}
    assert second["train"]["both"]["f1"] == 1.0
    assert second["bounds"]["min_complex"] == pytest.approx(90.1)  # the laxest of equal ones
    assert set(rules) == set(filtering.RULES)


def test_bounds_are_chosen_on_the_train_split_alone(found):
    turned = [{**row, "score_complex": 91.0 if row["split"] == "val" else row["score_complex"]} for row in found.scores]
    turned = [{**row, "kept": row["score_simple"] >= row["score_complex"]} for row in turned]
    first, second = (filtering.figures(rows, found.truth, 0.0) for rows in (found.scores, turned))
    assert first["rules"][filtering.SECOND]["bounds"] == second["rules"][filtering.SECOND]["bounds"]
    assert first["rules"][filtering.SECOND]["other"] != second["rules"][filtering.SECOND]["other"]


def test_scores_of_another_margin_are_refused(found):
    with pytest.raises(InputError, match=r"not made with clip.margin 50: run dvc repro first"):
        filtering.figures(found.scores, found.truth, 50.0)


def test_a_table_without_training_samples_is_refused(found):
    with pytest.raises(InputError, match="no pair of the train split"):
        filtering.figures([{**row, "split": "val"} for row in found.scores], found.truth, 0.0)


def test_without_swapped_prompts_there_is_no_mean_of_them(found):
    own = [row for row in found.scores if found.truth[row["sample_id"]]["fault"] is None]
    assert filtering.figures(own, found.truth, 0.0)["scores"]["swapped"] is None

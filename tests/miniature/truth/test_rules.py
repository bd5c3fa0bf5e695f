import numpy as np
import pytest

from miniature.language import caption
from miniature.truth.rules import Pairs, Rule, chosen, curve, f1, judged, pairs_of, separation, thresholds
from miniature.world import Group, Scene

SCENE = Scene((Group(2, "circle", "red"),), "blue")
# own and right, own and wrong, swapped and right, swapped and wrong; the paper's rule keeps all but the second
PAIRS = Pairs(
    np.array([95.0, 60.0, 96.0, 61.0]),
    np.array([90.0, 91.0, 5.0, -3.0]),
    np.array([True, False, True, False]),
    np.array([True, True, False, False]),
)


def test_pairs_know_their_truth():
    rows = [
        {"sample_id": "a", "simple_prompt": caption(SCENE), "score_simple": 3.0, "score_complex": 1.0},
        {"sample_id": "b", "simple_prompt": "a thing", "score_simple": 2.0, "score_complex": 4.0},
    ]
    truth = {"a": {"scene": SCENE, "fault": None}, "b": {"scene": SCENE, "fault": "wrong_prompt"}}
    found = pairs_of(rows, truth)
    assert found.caption_right.tolist() == [True, False]
    assert found.prompt_belongs.tolist() == [True, False]
    assert found.scores["margin"].tolist() == [2.0, -2.0]


def test_the_papers_rule_keeps_ties_and_prompts_of_other_pictures():
    assert Rule(margin=0.0).keeps(PAIRS).tolist() == [True, False, True, True]
    assert Rule(margin=5.0).keeps(PAIRS).tolist() == [True, False, True, True]
    assert Rule(margin=5.1).keeps(PAIRS).tolist() == [False, False, True, True]


def test_each_bound_asks_for_itself():
    assert Rule().keeps(PAIRS).all()
    assert Rule(min_complex=5.0).keeps(PAIRS).tolist() == [True, True, True, False]
    assert Rule(min_simple=61.0, min_complex=90.0).keeps(PAIRS).tolist() == [True, False, False, False]
    assert Rule(margin=0.0, min_simple=2.0).bounds() == {"margin": 0.0, "min_simple": 2.0}


def test_precision_and_recall_are_of_each_target():
    found = judged(np.array([True, False, True, True]), PAIRS)
    assert found["caption_right"]["precision"] == 0.6667
    assert found["caption_right"]["recall"] == 1.0
    assert found["prompt_belongs"]["precision"] == 0.3333
    assert found["prompt_belongs"]["recall"] == 0.5
    assert found["both"] == {"precision": 0.3333, "interval": [0.0615, 0.7923], "recall": 1.0, "f1": 0.5}
    assert found["by_truth"] == {
        "own_right": {"pairs": 1, "kept": 1},
        "own_wrong": {"pairs": 1, "kept": 0},
        "swapped_right": {"pairs": 1, "kept": 1},
        "swapped_wrong": {"pairs": 1, "kept": 1},
    }


def test_a_rule_that_keeps_nothing_has_no_precision():
    found = judged(np.zeros(4, bool), PAIRS)["both"]
    assert (found["precision"], found["recall"], found["f1"]) == (None, 0.0, 0.0)
    assert f1(np.zeros(4, bool), np.zeros(4, bool)) == 0.0


def test_the_chosen_bound_has_the_best_f1_and_is_the_laxest_of_those():
    assert chosen(Rule(margin=0.0), ("min_complex",), PAIRS) == Rule(margin=0.0, min_complex=90.0)
    assert chosen(Rule(), ("min_complex", "min_simple"), PAIRS) == Rule(min_complex=90.0, min_simple=61.0)
    assert chosen(Rule(margin=2.0), (), PAIRS) == Rule(margin=2.0)


def test_thresholds_are_observed_scores():
    assert thresholds(np.array([3.0, 1.0, 3.0]), 5) == [1.0, 3.0]
    few = thresholds(np.arange(1000.0), 11)
    assert len(few) == 11
    assert (few[0], few[-1]) == (0.0, 999.0)
    assert all(value == round(value) for value in few)


def test_a_curve_goes_over_the_observed_scores():
    found = curve(Rule(margin=0.0), "min_complex", PAIRS)
    assert found["threshold"] == [-3.0, 5.0, 90.0, 91.0]
    assert found["precision"] == [0.3333, 0.5, 1.0, None]
    assert found["recall"] == [1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("scores", "expected"), [([1, 2, 3, 4], 1.0), ([4, 3, 2, 1], 0.0), ([1, 1, 1, 1], 0.5), ([1, 3, 2, 4], 0.75)]
)
def test_separation_is_the_chance_that_a_wanted_pair_scores_higher(scores, expected):
    assert separation(np.array(scores, float), np.array([False, False, True, True])) == expected


def test_one_side_alone_cannot_be_told_apart():
    assert separation(np.array([1.0, 2.0]), np.array([True, True])) is None

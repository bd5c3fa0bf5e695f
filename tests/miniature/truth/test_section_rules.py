import numpy as np
import pytest

from miniature.truth import filtering, inputs, section_rules
from miniature.truth.rules import Pairs, Rule, judged
from tests.miniature.truth import made


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    found = inputs.read(made.write(tmp_path_factory.mktemp("data")), made.SITES)
    return filtering.figures(found.scores, found.truth, Rule(margin=0.0))


def test_the_rule_is_the_papers_only_with_its_margin_and_without_minimums():
    paper, stricter = {"margin": 0.0, "minimums": {}}, {"margin": 0.5, "minimums": {}}
    lower = {"margin": 0.0, "minimums": {"min_complex": 80.0, "min_simple": 70.0}}
    assert section_rules.named(filtering.IN_FORCE, paper) == "the paper's rule"
    assert section_rules.named(filtering.SECOND, paper) == "the paper's rule and minimum complex score"
    assert section_rules.named(filtering.SECOND, stricter) == "margin 0.5 in force and minimum complex score"
    asked = "margin 0, minimum complex score 80 and minimum simple score 70 in force"
    assert section_rules.named(filtering.IN_FORCE, lower) == asked
    assert section_rules.named("every pair", paper) == "every pair"


def test_the_section_says_that_the_paper_keeps_swapped_prompts(figures):
    text = "\n".join(section_rules.rules(figures, ["![picture](x.png)"]))
    assert "The paper's rule keeps 7 of 11 (63.6 %) pairs." in text
    assert "Of the prompts that belong to another picture it keeps 3 of 3 (100.0 %), of the others 4 of 8" in text
    assert "It cannot see a prompt of another picture: such a prompt scores low (5.0 on average against 90.3)" in text
    assert "| the paper's rule | 7 of 11 (63.6 %) | 100.0 / 100.0 % | 57.1 / 50.0 % | 57.1 / 100.0 % | 0.727 |" in text
    assert "prefers swapped prompts (0.000)" in text
    assert text.endswith("![picture](x.png)")


def test_the_section_says_what_a_minimum_complex_score_adds(figures):
    text = section_rules.rules(figures, [])[-1]
    assert "a minimum complex score of 90.1 beside the paper's rule leaves 0 of 1 swapped pairs" in text
    assert "precision of both goes from 50.0 % (95 % interval 9.4 to 90.5) to 100.0 %" in text
    assert "an F1 of 1.000 there and 1.000 on the other splits, where the paper's rule has 0.667" in text


def test_swapped_pairs_are_counted_rule_by_rule(figures):
    lines = section_rules._swapped_table(figures).splitlines()
    assert lines[2] == "| every pair | 4 of 4 (100.0 %) | 4 of 4 (100.0 %) | 2 of 2 (100.0 %) | 1 of 1 (100.0 %) |"
    assert "| 4 of 4 (100.0 %) | 0 of 4 (0.0 %) | 0 of 2 (0.0 %) | 0 of 1 (0.0 %) |" in lines[4]


def _whole(kept, belongs, *, own=90.0, swapped=5.0):
    told = np.array(belongs)
    line = judged(np.array(kept), Pairs(told * 1.0, told * 1.0, told, told))
    return section_rules._whole({"whole": line, "scores": {"own": own, "swapped": swapped}}, "the paper's rule")


def test_words_follow_the_figures():
    seen = _whole([True, False], [True, False])
    assert seen.endswith("So it drops prompts of other pictures more often than own ones.")
    assert _whole([True], [True]).endswith("No pair was scored to compare own prompts with prompts of other pictures.")
    blind = _whole([False, True], [True, False], own=5.0, swapped=90.0)
    assert blind.endswith("It cannot see a prompt of another picture.")


def _areas(simple, complex_, margin):
    lines = zip(("min_simple", "min_complex", "margin"), (simple, complex_, margin), strict=True)
    return {name: dict(zip(("caption_right", "prompt_belongs", "both"), line, strict=True)) for name, line in lines}


def test_the_best_score_for_each_target_is_named():
    text = section_rules._separation(_areas((0.9, 0.5, 0.8), (0.6, 0.7, 0.8), (0.7, 0.6, 0.8)))
    assert text == (
        "The simple score tells best whether the caption is right (0.900) and the complex score tells best whose the "
        "prompt is (0.700)."
    )
    half = section_rules._separation(_areas((0.9, None, 0.8), (0.6, None, 0.8), (0.95, None, 0.8)))
    assert half == "The simple minus complex tells best whether the caption is right (0.950)."
    nothing = (None, None, None)
    assert "no score can tell" in section_rules._separation(_areas(nothing, nothing, nothing))
    assert section_rules._areas({"separation": _areas(nothing, nothing, nothing)}, "margin") == ["–", "–", "–"]


def test_a_rule_without_bounds_and_a_precision_of_nothing_are_dashes(figures):
    assert section_rules._bounds({"bounds": {}}) == "–"
    assert (
        section_rules._bounds({"bounds": Rule(margin=1.0, min_simple=2.5).bounds()}) == "difference 1.00, simple 2.50"
    )
    nothing = {"both": {"precision": None, "interval": None}}
    assert section_rules._moved(nothing, nothing) == "precision of both goes from – to –"


def test_the_best_rule_may_be_to_keep_every_pair(figures):
    line = figures["rules"][filtering.SECOND]
    alike = {**figures, "rules": dict.fromkeys(filtering.RULES, line) | {"every pair": {**line, "bounds": {}}}}
    assert "The best rule on the train split is: every pair, with an F1" in section_rules._second(alike, "x")

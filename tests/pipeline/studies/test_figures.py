from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.comparison import EvaluateParams
from pipeline.studies.figures import contrast, gained, holds, lost, spread
from tests.pipeline.studies.made_outcomes import PROMPTS, SKILLS, judged, outcome

CONFIG = EvaluateParams(metrics=(), judges=(), confidence=0.95, bootstrap=200, equivalence_margin_sd=0.2, seed=0)


def test_rows_are_paired_by_prompt():
    """Prompts differ widely, the rows by the same step on each: unpaired that would be lost in the noise."""
    without = outcome(adapted=lambda skill, number: number / 20)
    present = outcome(
        adapted=lambda skill, number: number / 20 + ((0.25 + number / 1000) if skill == "colour" else 0.0)
    )
    found = contrast(present, without, CONFIG)
    assert found["colour"]["difference"] == pytest.approx(0.2555)
    assert 0.25 < found["colour"]["low"] < found["colour"]["high"] < 0.26
    assert found["colour"]["p_holm"] < 0.01
    assert found["action"]["difference"] == 0.0
    assert found["all"]["prompts"] == len(SKILLS) * PROMPTS
    assert found["all"]["p_holm"] is None
    assert "mcnemar_p" not in found["all"]


@settings(max_examples=20)
@given(st.lists(st.integers(0, 4), min_size=2 * PROMPTS, max_size=2 * PROMPTS))
def test_swapping_the_rows_turns_the_sign(quarters):
    first = outcome(adapted=lambda skill, number: quarters[number] / 4)
    second = outcome(adapted=lambda skill, number: quarters[PROMPTS + number] / 4)
    there, back = contrast(first, second, CONFIG)["action"], contrast(second, first, CONFIG)["action"]
    assert there["difference"] == -back["difference"]
    assert there["p"] == back["p"]


def test_prompts_that_one_row_lacks_do_not_count():
    present, absent = outcome(), outcome()
    absent.prompts[0]["adapted"] = ""
    del absent.prompts[1]["adapted"]
    assert contrast(present, absent, CONFIG)["action"]["prompts"] == PROMPTS - 2
    nobody = replace(outcome(), prompts=[])
    assert contrast(outcome(), nobody, CONFIG) == {}


def test_two_gains_hold_unless_the_third_skill_loses():
    gain, none, loss = (0.4, 0.52, 0.01), (0.4, 0.4, 1.0), (0.4, 0.3, 0.01)
    two = outcome(accuracy=judged(gain, gain, none))
    assert gained(two, 0.95) == ["action", "colour"]
    assert (lost(two, 0.95), holds(two, 0.95)) == ([], True)
    harmed = outcome(accuracy=judged(gain, gain, loss))
    assert (lost(harmed, 0.95), holds(harmed, 0.95)) == (["counting"], False)
    assert not holds(outcome(accuracy=judged(gain, none, none)), 0.95)


def test_a_gain_below_ten_points_or_with_an_interval_over_zero_does_not_count():
    assert gained(outcome(accuracy=judged((0.4, 0.495, 0.01), (0.4, 0.5, 0.01), (0.4, 0.6, 0.01))), 0.95) == [
        "colour",
        "counting",
    ]
    wide = judged((0.4, 0.6, 0.01), (0.4, 0.6, 0.01), (0.4, 0.6, 0.01))
    wide["action"]["low"] = 0.0
    wide["colour"]["low"] = wide["colour"]["high"] = None
    assert gained(outcome(accuracy=wide), 0.95) == ["counting"]


def test_a_difference_counts_by_its_corrected_p_whatever_the_interval_says():
    """Where few prompts differ the bootstrap's interval excludes 0 too often."""
    unsure = outcome(accuracy=judged((0.4, 0.6, 0.03), (0.4, 0.6, 0.02), (0.4, 0.6, 0.02)))
    assert unsure.accuracy["action"]["low"] > 0
    assert unsure.accuracy["action"]["p"] < 0.05 < unsure.accuracy["action"]["p_holm"]
    assert gained(unsure, 0.95) == ["colour", "counting"]
    for p, high, expected in ((0.2, -0.01, []), (0.001, None, ["action"]), (0.001, 0.01, ["action"]), (0.2, None, [])):
        lines = judged((0.4, 0.3, p))
        lines["action"]["high"] = high
        assert lost(outcome(accuracy={"action": lines["action"]}), 0.95) == expected


def test_the_spread_over_trainings():
    rows = [outcome(accuracy=judged(action=(0.4, adapted, 0.5))) for adapted in (0.4, 0.5, 0.6)]
    found = spread(rows, "action")
    assert (found.count, found.mean, found.sd) == (3, pytest.approx(0.1), pytest.approx(0.1))
    assert (found.lowest, found.highest) == (pytest.approx(0.0), pytest.approx(0.2))
    assert spread(rows[:1], "action").sd is None
    assert spread([outcome(accuracy={"colour": rows[0].accuracy["colour"]})], "action") is None

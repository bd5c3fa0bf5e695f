from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline import cleaning, params
from pipeline.cleaning import CleanParams, HeldOut, Wording
from pipeline.picture_facts import FAULTS

PARAMS = Path(__file__).parents[2] / "params.yaml"


def test_splits_must_leave_something_to_train_on():
    config = params.load(CleanParams, "clean", PARAMS)
    with pytest.raises(ValidationError, match="leave nothing for train"):
        CleanParams.model_validate({**config.model_dump(), "val_share": 0.5, "test_share": 0.5})


def test_the_settings_in_force_are_accepted():
    assert params.load(CleanParams, "clean", PARAMS).phash_distance == 8


def test_equal_prompts_have_one_key():
    assert cleaning.prompt_key("  Two\n STARS ") == "two stars"


def test_every_setting_that_drops_belongs_to_a_reason():
    assert set(cleaning.SETTINGS) | set(FAULTS) <= set(cleaning.REASONS)


@pytest.mark.parametrize(
    ("prompt", "held"),
    [
        ("seven vintage glass bottles", True),
        ("Seven vintage, GLASS bottles!", True),
        ("8k, seven vintage glass bottles on a shelf, masterpiece", True),
        ("seven vintage glass", False),
        ("seventy seven vintage glass bottlesful", False),
        ("a cat", True),
        ("a cat on a mat", False),
        ("", False),
    ],
)
def test_evaluation_prompts_are_found_as_they_are_and_inside_longer_ones(prompt, held):
    assert HeldOut(["Seven vintage glass bottles", "A cat", "  "]).holds(prompt) is held


@pytest.mark.parametrize(
    ("prompt", "fault"),
    [
        ("seven bottles, 8k", None),
        ("", None),
        ("12345 !!! 🙂", None),
        ("café au lait", None),
        ("семь бутылок, 8k", "other_language"),
        ("七つの瓶 ab", "other_language"),
        ("a NUDE figure", "refused_word"),
        ("nudes of dunes", None),
        ("not safe, for work", "refused_word"),
        ("safe for work", None),
    ],
)
def test_the_words_of_a_prompt_are_checked_whole_and_in_any_case(prompt, fault):
    assert Wording(0.5, ["nude", "not safe for work"]).fault(prompt) == fault


def test_without_bounds_every_wording_passes():
    assert Wording(0.0, []).fault("семь nude") is None


def test_a_refused_word_must_hold_a_letter():
    config = params.load(CleanParams, "clean", PARAMS)
    with pytest.raises(ValidationError, match="'--' holds no letter"):
        CleanParams.model_validate({**config.model_dump(), "refused_words": ["nude", "--"]})

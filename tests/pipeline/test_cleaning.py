from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline import cleaning, params
from pipeline.cleaning import Candidate, CleanParams
from pipeline.errors import InputError

PARAMS = Path(__file__).parents[2] / "params.yaml"


def _config(**changes):
    values = {
        "min_side_px": 48,
        "max_aspect": 3.0,
        "max_nsfw_level": 1,
        "phash_distance": 4,
        "colour_distance": 6.0,
        "val_share": 0.3,
        "test_share": 0.3,
        "seed": 0,
    }
    return CleanParams.model_validate({**values, **changes})


def _candidate(name, **changes):
    number = sum(map(ord, name))
    values = {
        "sample_id": name,
        "image_sha256": f"sha-{name}",
        "names": frozenset({name, f"https://a/{name}", changes.get("image_sha256", f"sha-{name}")}),
        "prompt": f"prompt {name}",
        "nsfw_level": 1,
        "fault": None,
        "width": 64,
        "height": 64,
        "phash": f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        "thumbnail": bytes([number % 256]) * 192,
    }
    return Candidate(**{**values, **changes})


def _reasons(*candidates, config=None, taken_down=(), evaluation=()):
    outcomes = cleaning.judge(
        candidates, config or _config(), taken_down=set(taken_down), evaluation_prompts=set(evaluation)
    )
    return [outcome.drop_reason for outcome in outcomes]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"fault": "broken_image", "width": 0, "height": 0, "phash": "", "thumbnail": b""}, "broken_image"),
        ({"width": 47}, "too_small"),
        ({"width": 48, "height": 144}, None),
        ({"width": 48, "height": 145}, "too_long"),
        ({"nsfw_level": 2}, "unsafe"),
        ({"nsfw_level": 0}, None),
        ({"prompt": "  "}, "no_prompt"),
        ({"prompt": "Two  Stars"}, "evaluation_prompt"),
    ],
)
def test_a_sample_is_dropped_for_its_first_fault(changes, reason):
    assert _reasons(_candidate("a", **changes), evaluation=["two stars"]) == [reason]
    assert reason is None or reason in cleaning.REASONS


@pytest.mark.parametrize("entry", ["a", "https://a/a", "sha-a"])
def test_a_takedown_removes_the_picture_and_its_exact_copies(entry):
    reasons = _reasons(_candidate("a"), _candidate("b", image_sha256="sha-a"), _candidate("c"), taken_down=[entry])
    assert reasons == ["takedown", "takedown", None]


def test_a_copy_of_an_unsafe_picture_is_unsafe_wherever_it_is_unrated():
    reasons = _reasons(_candidate("a", nsfw_level=0), _candidate("b", image_sha256="sha-a", nsfw_level=8))
    assert reasons == ["unsafe", "unsafe"]


def test_of_exact_duplicates_the_first_stays():
    assert _reasons(_candidate("a"), _candidate("b", image_sha256="sha-a")) == [None, "exact_duplicate"]


def test_a_dropped_sample_does_not_count_as_the_first():
    assert _reasons(_candidate("a", prompt=""), _candidate("b", image_sha256="sha-a")) == ["no_prompt", None]


def test_of_near_duplicates_the_first_stays():
    near = {"phash": "f" * 16, "thumbnail": bytes(192)}
    also = {"phash": "f" * 15 + "e", "thumbnail": bytes([3]) * 192}
    assert _reasons(_candidate("a", **near), _candidate("b", **also)) == [None, "near_duplicate"]


def test_what_looks_like_a_dropped_picture_only_stays_but_shares_its_group():
    chain = [{"phash": f"{bits:016x}", "thumbnail": bytes(192)} for bits in (0x0, 0xF, 0xFF)]
    outcomes = cleaning.judge(
        [_candidate(name, **looks) for name, looks in zip("abc", chain, strict=True)],
        _config(),
        taken_down=set(),
        evaluation_prompts=set(),
    )
    assert [outcome.drop_reason for outcome in outcomes] == [None, "near_duplicate", None]
    assert {outcome.group for outcome in outcomes} == {"a"}


def test_equal_prompts_never_fall_apart():
    candidates = [_candidate(f"s{number:03d}", prompt=f"Prompt  {number % 40}") for number in range(200)]
    far = [
        _candidate(
            item.sample_id,
            prompt=item.prompt if number % 2 else item.prompt.upper(),
            phash=f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
            thumbnail=bytes([number]) * 192,
        )
        for number, item in enumerate(candidates)
    ]
    outcomes = cleaning.judge(far, _config(phash_distance=0), taken_down=set(), evaluation_prompts=set())
    splits = {}
    for item, outcome in zip(far, outcomes, strict=True):
        splits.setdefault(item.prompt_key, set()).add(outcome.split)
    assert len(splits) == 40
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == {"train", "val", "test"}


def test_a_takedown_list_is_read_without_comments(tmp_path):
    path = tmp_path / "takedown.txt"
    path.write_text("# why\n\n lexica:1 \n  # more\nhttps://a/b\n")
    assert cleaning.read_takedowns(path) == {"lexica:1", "https://a/b"}


def test_a_missing_takedown_list_is_no_empty_one(tmp_path):
    with pytest.raises(InputError, match="an empty file is fine"):
        cleaning.read_takedowns(tmp_path / "takedown.txt")


def test_splits_must_leave_something_to_train_on():
    with pytest.raises(ValidationError, match="leave nothing for train"):
        _config(val_share=0.5, test_share=0.5)


def test_the_settings_in_force_are_accepted():
    assert params.load(CleanParams, "clean", PARAMS).phash_distance == 8

from pathlib import Path

import pytest

from pipeline.errors import EmptyResultError, InputError
from pipeline.review import forms, studies
from pipeline.review.studies import Scope
from tests.pipeline.review import verdicts_made as data

ROWS = data.manifest(3).to_pylist()


def test_every_picture_of_every_arm_comes_once_in_a_drawn_order() -> None:
    key = studies.semantic(ROWS, data.PROMPTS, Scope(), 0)
    shown = studies.shown(key, data.PROMPTS)
    ids = [one.sample_ids[0] for one in shown]
    assert sorted(ids) == sorted(row["sample_id"] for row in ROWS)
    assert ids != sorted(ids)
    assert {one.text for one in shown} == {prompt.text for prompt in data.PROMPTS}  # never an arm's own words


def test_only_the_skills_that_a_prompt_names_are_asked() -> None:
    shown = studies.shown(studies.semantic(ROWS, data.PROMPTS, Scope(), 0), data.PROMPTS)
    asked = {one.sample_ids[0].split("/")[0]: one.asked for one in shown}
    assert asked == {"a": ("counting",), "b": ("colour", "counting"), "c": ("action",)}


def test_both_sides_have_both_arms_and_a_seed_draws_them() -> None:
    key = studies.preference(ROWS, data.PROMPTS, Scope(), 0)
    assert len(key.items) == 9
    assert {pair.left for pair in key.items.values() if isinstance(pair, studies.Pair)} == {"base", "adapted"}
    for one in studies.shown(key, data.PROMPTS):
        left, right = (sample_id.rsplit("/", 1) for sample_id in one.sample_ids)
        assert left[0] == right[0]
        assert {left[1], right[1]} == {"base", "adapted"}
    same, other = (studies.preference(ROWS, data.PROMPTS, Scope(), seed) for seed in (0, 1))
    assert same == key != other
    assert same.study != other.study


def test_pictures_of_a_method_are_paired_with_their_own() -> None:
    steered = [
        {**row, "sample_id": row["sample_id"] + "/canny", "sha256": row["sha256"][::-1]}
        for row in ROWS
        if row["index"] == 0
    ]
    key = studies.preference([*ROWS, *steered], data.PROMPTS, Scope(), 0)
    pairs = [pair for pair in key.items.values() if isinstance(pair, studies.Pair)]
    assert len(pairs) == 12
    assert all(pair.base.replace("/base", "") == pair.adapted.replace("/adapted", "") for pair in pairs)


def test_a_scope_takes_the_first_prompts_and_pictures() -> None:
    prompts = [*data.PROMPTS, data.prompt("d", "action")]
    rows = data.manifest(3, prompts).to_pylist()
    key = studies.preference(rows, prompts, Scope(prompts=1, pictures=2), 0)
    places = {(pair.prompt_id, pair.index) for pair in key.items.values() if isinstance(pair, studies.Pair)}
    assert places == {(name, index) for name in "abc" for index in range(2)}


def test_items_and_tasks_do_not_tell_the_arm() -> None:
    for plan in (studies.semantic, studies.preference):
        key = plan(ROWS, data.PROMPTS, Scope(), 0)
        for one in studies.shown(key, data.PROMPTS):
            told = str(forms.task(one, ["one.png", "two.png"][: len(one.sample_ids)], "pictures"))
            assert not [word for word in ("base", "adapted", "complex", "/0", "sha") if word in told]


def test_a_key_is_found_by_its_study(tmp_path: Path) -> None:
    for plan in (studies.semantic, studies.preference):
        key = plan(ROWS, data.PROMPTS, Scope(), 0)
        studies.save(key, tmp_path)
        found = studies.load(key.study, tmp_path)
        assert found == key
        assert list(found.items) == list(key.items)


def test_what_cannot_be_shown_is_told() -> None:
    with pytest.raises(EmptyResultError, match="no picture for a preference study"):
        studies.preference([row for row in ROWS if row["arm"] != "base"], data.PROMPTS, Scope(), 0)
    with pytest.raises(InputError, match="1 sampled prompts are not in the files"):
        studies.semantic(ROWS, data.PROMPTS[:2], Scope(), 0)

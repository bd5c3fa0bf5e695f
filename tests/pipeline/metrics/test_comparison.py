import copy
import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.metrics.comparison import by_prompt, compare, correct_family, pair_up, same_quality
from pipeline.metrics.pictures import Picture
from pipeline.metrics.settings import EvaluateParams

CONFIG = EvaluateParams(metrics=(), judges=(), confidence=0.95, bootstrap=200, equivalence_margin_sd=0.2, seed=0)


def _pictures() -> list[Picture]:
    types = {"a": "colour", "b": "colour", "c": "counting"}
    return [
        Picture(f"{prompt}/{index:02d}/{arm}", arm, prompt, kind, index)
        for prompt, kind in types.items()
        for index in range(2)
        for arm in ("base", "adapted", "complex")
    ]


def _values(base: float, adapted: float) -> dict[str, float]:
    numbers = {"base": base, "adapted": adapted, "complex": 1.0}
    return {picture.sample_id: numbers[picture.arm] for picture in _pictures()}


def test_every_type_and_all_have_a_line() -> None:
    found = compare(_values(0.0, 1.0), _pictures(), CONFIG)
    assert list(found) == ["all", "colour", "counting"]
    assert found["colour"]["difference"] == 1.0
    assert found["colour"]["complex"] == 1.0
    assert (found["all"]["prompts"], found["all"]["pairs"]) == (3, 6)


def test_only_the_types_are_a_family() -> None:
    found = compare(_values(0.0, 1.0), _pictures(), CONFIG)
    assert found["all"]["p_holm"] is None
    assert found["colour"]["p_holm"] == min(1.0, 2 * found["colour"]["p"])


def test_pairs_without_a_partner_do_not_count() -> None:
    values = _values(0.0, 1.0)
    del values["a/00/base"], values["b/01/adapted"]
    pairs = pair_up(values, _pictures())
    assert list(pairs.prompts) == ["a", "b", "c", "c"]


def test_a_type_without_any_pair_has_no_line() -> None:
    values = {name: value for name, value in _values(0.0, 1.0).items() if not name.startswith("c/")}
    assert list(compare(values, _pictures(), CONFIG)) == ["all", "colour"]
    assert compare({}, _pictures(), CONFIG) == {}


def test_swapped_arms_of_a_paired_score_give_one_minus_it() -> None:
    """The base model's score is what the adapted one leaves of 1; which arm is which is seen by their difference."""
    for adapted in (0.7, 0.3):
        found = compare(_values(1.0 - adapted, adapted), _pictures(), CONFIG)["all"]
        assert (found["base"], found["adapted"]) == pytest.approx((1.0 - adapted, adapted))
        assert found["difference"] == pytest.approx(2 * adapted - 1.0)


def test_quality_is_equal_where_the_arms_are() -> None:
    values = {picture.sample_id: ord(picture.prompt_id) / 100 for picture in _pictures()}
    found = same_quality(values, _pictures(), CONFIG)
    assert found is not None
    assert found["p"] == 0.0
    assert same_quality(_values(0.5, 0.5), _pictures(), CONFIG) is None


def test_a_prompts_line_has_every_arm() -> None:
    assert by_prompt(_values(0.0, 1.0), _pictures())["a"] == {"adapted": 1.0, "base": 0.0, "complex": 1.0}


@pytest.mark.parametrize(("key", "value"), [("confidence", 1.0), ("bootstrap", 10), ("equivalence_margin_sd", 0.0)])
def test_settings_out_of_range_are_refused(key: str, value: float) -> None:
    with pytest.raises(ValidationError):
        EvaluateParams.model_validate({**CONFIG.model_dump(), key: value})


def test_a_reference_arm_on_other_prompts_is_left_out():
    pictures = [picture for picture in _pictures() if (picture.arm, picture.prompt_id) != ("complex", "a")]
    values = _values(0.0, 1.0)
    found = compare(
        {name: value for name, value in values.items() if not name.startswith("a/00/complex")}, pictures, CONFIG
    )
    assert "complex" not in found["all"]


def test_several_cells_are_one_family() -> None:
    cells = [
        {"accuracy": {"all": {"p": 0.01, "p_holm": None}, "colour": {"p": p, "p_holm": p}}, "text": {}}
        for p in (0.01, 0.04)
    ]
    correct_family(cells)
    assert [cell["accuracy"]["colour"]["p_holm"] for cell in cells] == [0.02, 0.04]
    assert [cell["accuracy"]["all"]["p_holm"] for cell in cells] == [0.02, 0.02]


def test_other_judges_and_preference_are_families_over_cells_too() -> None:
    def cell(p: float) -> dict[str, Any]:
        lines = {"all": {"p": p, "p_holm": None}, "colour": {"p": p, "p_holm": p}}
        asked = {name: {"adapted": 0.6, "p": p} for name in ("preference", "preference_text")}
        tested = {"clip_cosine_equivalence": {"p": p, "p_not_worse": p}, "preference_flaws": None}
        return {"accuracy": lines, "other_judges": {"second": copy.deepcopy(lines)}, **asked, **tested}

    cells = [cell(0.01), cell(0.04)]
    correct_family(cells)
    for place in (("other_judges", "second", "colour"), ("other_judges", "second", "all"), ("preference",)):
        found = [functools.reduce(dict.__getitem__, place, each) for each in cells]
        assert [line["p_holm"] for line in found] == [0.02, 0.04]
    assert cells[0]["preference_text"]["p_holm"] == 0.02
    assert "p_holm" not in cells[0]["clip_cosine_equivalence"]


def test_both_wordings_are_one_family() -> None:
    def lines(p: float) -> dict[str, Any]:
        return {"all": {"p": p, "p_holm": None}, "colour": {"p": p, "p_holm": p}}

    cells = [{"accuracy_by_wording": {"seen": lines(0.01), "unseen": lines(0.04)}}]
    correct_family(cells)
    found = cells[0]["accuracy_by_wording"]
    assert [found[wording]["colour"]["p_holm"] for wording in found] == [0.02, 0.04]
    assert found["seen"]["all"]["p_holm"] is None


def test_a_single_cell_has_families_of_types_alone() -> None:
    found = compare(_values(0.0, 1.0), _pictures(), CONFIG)
    cells = [{"accuracy": copy.deepcopy(found), "other_judges": {"second": copy.deepcopy(found)}}]
    cells[0]["preference"] = {"adapted": 0.6, "p": 0.01}
    correct_family(cells)
    assert cells[0]["accuracy"] == cells[0]["other_judges"]["second"] == found
    assert "p_holm" not in cells[0]["preference"]


def _with_expanded(lacking: str = "") -> list[Picture]:
    return [
        *_pictures(),
        *(
            dataclasses.replace(each, sample_id=f"{each.prompt_id}/{each.index:02d}/expanded", arm="expanded")
            for each in _pictures()
            if each.arm == "base" and each.prompt_id != lacking
        ),
    ]


def test_against_another_arm_that_arm_stands_in_the_bases_place() -> None:
    rng = np.random.default_rng(0)
    values = {picture.sample_id: float(rng.integers(2)) for picture in _with_expanded()}
    found = compare(values, _with_expanded(), CONFIG, against="expanded")
    renamed = {  # the same numbers, the expanded arm called base
        name.replace("base", "old").replace("expanded", "base"): value for name, value in values.items()
    }
    expected = compare(renamed, _pictures(), CONFIG)
    for name, line in found.items():
        theirs = dict(expected[name])
        del theirs["complex"]
        assert line == {"expanded": theirs.pop("base"), **theirs}
    assert (found["all"]["prompts"], found["all"]["p_holm"]) == (3, None)


def test_against_an_arm_that_some_prompts_lack_only_the_others_count() -> None:
    values = {picture.sample_id: float(picture.arm == "adapted") for picture in _with_expanded()}
    found = compare(values, _with_expanded(lacking="c"), CONFIG, against="expanded")
    assert list(found) == ["all", "colour"]
    assert (found["all"]["prompts"], found["all"]["pairs"], found["all"]["difference"]) == (2, 4, 1.0)
    assert compare(values, _pictures(), CONFIG, against="expanded") == {}

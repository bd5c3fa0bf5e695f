import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from pipeline.metrics.agreement import Confusion, agreement, confusion
from pipeline.metrics.pictures import Picture

COUNTS = st.integers(0, 50)


def _counts(judged: list[bool], said: list[bool]) -> Confusion:
    found = confusion(dict(enumerate(judged)), dict(enumerate(said)))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_judge_that_always_says_yes_has_kappa_0() -> None:
    found = _counts([True] * 10, [True] * 7 + [False] * 3)
    assert (found.accuracy, found.kappa, found.balanced_accuracy) == (0.7, 0.0, 0.5)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_kappa_equals_statsmodels(one: int, two: int, three: int, four: int) -> None:
    found = Confusion(one, two, three, four)
    table = np.array([[found.true_yes, found.false_yes], [found.false_no, found.true_no]])
    if found.images in (found.true_yes, found.true_no):  # both said one and the same throughout
        assert not found.images or found.kappa is None
    else:
        assert found.kappa == pytest.approx(cohens_kappa(table, return_results=False), abs=1e-12)


def test_kappa_is_not_defined_where_both_say_one_and_the_same() -> None:
    found = _counts([True] * 4, [True] * 4)
    assert (found.kappa, found.balanced_accuracy, found.ac1) == (None, None, 1.0)


def test_ac1_stays_where_kappa_falls_by_prevalence_alone() -> None:
    """Agreed on 118 of 125, nearly all of them right: kappa says chance, by hand, and AC1 does not."""
    found = Confusion(true_yes=118, false_yes=5, false_no=2, true_no=0)
    share = (123 / 125 + 120 / 125) / 2
    chance = 2 * share * (1 - share)
    assert found.kappa == pytest.approx((0.944 - 0.94528) / (1 - 0.94528), abs=1e-9)
    assert found.ac1 == pytest.approx((118 / 125 - chance) / (1 - chance), abs=1e-12)
    assert found.ac1 > 0.9


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_ac1_is_symmetric_and_within_its_range(one: int, two: int, three: int, four: int) -> None:
    if one + two + three + four:
        found = Confusion(one, two, three, four).ac1
        assert -1 <= found <= 1
        assert found == pytest.approx(Confusion(four, three, two, one).ac1, abs=1e-12)


def test_figures_stand_by_type_and_by_arm() -> None:
    pictures = [
        Picture(f"{prompt}/{arm}", arm, prompt, kind, 0)
        for prompt, kind in (("a", "colour"), ("b", "counting"))
        for arm in ("base", "adapted")
    ]
    judged = {"a/base": True, "a/adapted": True, "b/base": False, "b/adapted": True}
    said = {"a/base": True, "a/adapted": False, "b/base": False, "other": True}
    found = agreement(judged, said, pictures)
    assert (found["images"], found["accuracy"]) == (3, pytest.approx(2 / 3))
    assert (found["by_arm"]["base"]["accuracy"], found["by_arm"]["adapted"]["accuracy"]) == (1.0, 0.0)
    assert (found["by_type"]["colour"]["images"], found["by_type"]["counting"]["images"]) == (2, 1)
    assert "kappa" not in found["by_type"]["counting"]


def test_without_a_common_image_there_is_no_figure() -> None:
    assert agreement({"a": True}, {"b": True}, []) == {}

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats import inter_rater

from pipeline import agreement

# K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: four observers, twelve units.
OBSERVERS = {"A": "123321412...", "B": "1233224125.3", "C": ".3332342251.", "D": "12332441251."}


def _ballots(observers: dict[str, str]) -> list[dict[str, str]]:
    units = zip(*observers.values(), strict=True)
    return [{who: value for who, value in zip(observers, unit, strict=True) if value != "."} for unit in units]


def test_alpha_equals_krippendorffs_worked_example_with_missing_data() -> None:
    assert agreement.krippendorff_alpha(_ballots(OBSERVERS)) == pytest.approx(0.743, abs=5e-4)


def test_alpha_equals_krippendorffs_worked_example_of_two_observers() -> None:
    # Section A of the same paper: binary data, ten units, alpha = .095.
    ballots = _ballots({"Meg": "0100000010", "Owen": "1110010000"})
    assert agreement.krippendorff_alpha(ballots) == pytest.approx(0.095, abs=5e-4)


def test_kappa_equals_viera_and_garretts_worked_example() -> None:
    # A. J. Viera, J. M. Garrett, Understanding interobserver agreement: the kappa statistic, Fam Med 2005: .57.
    first = ["yes"] * 20 + ["no"] * 80
    second = ["yes"] * 15 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 70
    assert agreement.cohen_kappa(first, second) == pytest.approx(0.57, abs=5e-3)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2))
def test_kappa_equals_statsmodels(said: list[tuple[str, str]]) -> None:
    first, second = zip(*said, strict=True)
    found = agreement.cohen_kappa(first, second)
    table = np.array([[said.count((one, other)) for other in "abc"] for one in "abc"])
    if found is None:
        assert len(set(first)) == len(set(second)) == 1
    else:
        assert found == pytest.approx(inter_rater.cohens_kappa(table, return_results=False), abs=1e-12)


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=3, max_size=3), min_size=2))
def test_alpha_without_missing_answers_is_fleiss_kappa_moved_by_chance_of_few_items(said: list[list[str]]) -> None:
    # Both take chance from the pooled answers; alpha = kappa + (1 - kappa) / n, with n answers in all (Krippendorff).
    found = agreement.krippendorff_alpha([dict(zip("xyz", unit, strict=True)) for unit in said])
    if found is None:
        assert len({answer for unit in said for answer in unit}) == 1
    else:
        table = np.array([[unit.count(answer) for answer in "abc"] for unit in said])
        kappa = inter_rater.fleiss_kappa(table)
        assert found == pytest.approx(kappa + (1 - kappa) / (3 * len(said)), abs=1e-12)


def test_a_rater_who_always_says_yes_has_kappa_zero() -> None:
    assert agreement.cohen_kappa(["yes"] * 4, ["yes", "no", "yes", "no"]) == 0.0


def test_kappa_is_unknown_where_chance_agreement_is_certain() -> None:
    assert agreement.cohen_kappa(["keep"] * 3, ["keep"] * 3) is None
    assert agreement.cohen_kappa([], []) is None


def test_alpha_and_share_are_unknown_without_overlap() -> None:
    ballots = [{"Ann": "keep"}, {"Bob": "reject"}]
    assert agreement.krippendorff_alpha(ballots) is None
    assert agreement.raw_share(ballots) is None


@given(st.lists(st.sampled_from(["keep", "reject", "unsure"]), min_size=2).filter(lambda said: len(set(said)) > 1))
def test_full_agreement_is_one(said: list[str]) -> None:
    ballots = [{"Ann": answer, "Bob": answer, "Cem": answer} for answer in said]
    assert agreement.raw_share(ballots) == 1.0
    assert agreement.krippendorff_alpha(ballots) == pytest.approx(1.0)
    assert agreement.cohen_kappa(said, said) == pytest.approx(1.0)

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

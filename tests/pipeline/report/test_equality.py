from typing import Any

import pytest

from pipeline.report import equality

CASES = [
    ((0.01, 0.01), "equal", 0.01),
    ((0.6, 0.001), "no worse", 0.001),
    ((0.804, 0.804), "not shown", 0.804),
    ((0.998, 0.998), "worse", 0.002),
]


def _test(p: tuple[float, float]) -> dict[str, Any]:
    return {"difference": -0.1, "margin": 0.02, "p": p[0], "p_not_worse": p[1]}


@pytest.mark.parametrize(("p", "shown", "deciding"), CASES)
def test_what_was_shown_is_told_with_the_p_that_shows_it(p: tuple[float, float], shown: str, deciding: float) -> None:
    assert equality.shown(_test(p), 0.95) == shown
    assert equality.deciding(_test(p), 0.95) == pytest.approx(deciding)


def test_the_level_is_that_of_the_confidence() -> None:
    assert equality.shown(_test((0.02, 0.02)), 0.99) == "not shown"
    assert equality.shown(_test((0.98, 0.98)), 0.95) == "worse"
    assert equality.shown(_test((0.98, 0.98)), 0.99) == "not shown"


@pytest.mark.parametrize(
    ("p", "said"),
    [
        ((0.01, 0.01), "BRISQUE is equal within 0.2 standard deviations of the base's prompt means (equivalence test, "
         "p 0.010)."),
        ((0.6, 0.001), "BRISQUE was not shown to be equal within 0.2 standard deviations of the base's prompt means "
         "(equivalence test, p 0.600), but it is no worse by more than that (p 0.001)."),
        ((0.6, 0.6), "BRISQUE was not shown to be equal within 0.2 standard deviations of the base's prompt means "
         "(equivalence test, p 0.600), nor was it shown to be no worse by more than that (p 0.600)."),
        ((0.998, 0.998), "BRISQUE is worse by more than 0.2 standard deviations of the base's prompt means (p 0.002)."),
    ],
)  # fmt: skip
def test_each_outcome_has_its_sentence(p: tuple[float, float], said: str) -> None:
    assert equality.sentences({"brisque_equivalence": _test(p)}, 0.95, 0.2) == [said]


def test_equality_is_asked_of_picture_quality_in_the_papers_order_and_not_of_fit() -> None:
    names = ("clip_cosine", "judge_quality", "musiq", "brisque")
    said = equality.sentences({f"{name}_equivalence": _test((0.01, 0.01)) for name in names}, 0.95, 0.2)
    assert [sentence.split(" is ")[0] for sentence in said] == [
        "BRISQUE",
        "MUSIQ",
        "The quality of the pictures, by the judge,",
    ]
    assert equality.compared("judge_quality") == "judged image quality"

import pytest

from pipeline.metrics import grading


def test_soft_scores_are_the_geometric_mean_and_the_share() -> None:
    assert grading.soft_score([0.9, 0.4]) == pytest.approx(0.6)
    assert grading.soft_score([0.9, 0.0]) == 0.0
    assert grading.atom_share([True, False, True, True]) == 0.75


def test_an_atom_whose_parent_fails_fails_too() -> None:
    atoms = [{}, {"depends_on": [0]}, {"depends_on": [1]}, {"depends_on": []}]
    answers = [{"atom": index, "p": p, "verdict": p >= 0.5} for index, p in enumerate([0.4, 0.9, 0.9, 0.9])]
    found = grading.with_parents(answers, atoms)
    assert [(answer["p"], answer["verdict"]) for answer in found] == [
        (0.4, False),
        (0.0, False),
        (0.0, False),
        (0.9, True),
    ]
    assert [answer["p"] for answer in answers] == [0.4, 0.9, 0.9, 0.9]


def test_a_parent_that_the_judge_did_not_answer_fails_nothing() -> None:
    found = grading.with_parents([{"atom": 1, "p": 0.9, "verdict": True}], [{}, {"depends_on": [0]}])
    assert found == [{"atom": 1, "p": 0.9, "verdict": True}]

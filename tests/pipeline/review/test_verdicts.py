import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.answers import Answer
from pipeline.errors import InputError
from pipeline.review.verdicts import Policy, drop_reason, join, read_reviews

KEY = "a" * 64
ANSWERS = st.sampled_from(["keep", "reject", "unsure"])


def _line(verdict: str, reviewer: str = "Ann", key: str = KEY) -> str:
    return json.dumps({"review_key": key, "verdict": verdict, "reviewer": reviewer, "reasons": ["nsfw"], "note": "hm"})


def test_the_last_line_of_a_reviewer_on_a_key_holds(tmp_path: Path) -> None:
    (tmp_path / "ann.jsonl").write_text("\n".join([_line("keep"), _line("keep", "Bob"), _line("reject")]))
    assert read_reviews(tmp_path).ballots == {KEY: {"Ann": "reject", "Bob": "keep"}}


@pytest.mark.parametrize("line", [_line("maybe"), _line("keep", ""), _line("keep", key="short")])
def test_a_wrong_verdict_names_file_and_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "ann.jsonl").write_text(_line("keep") + "\n" + line + "\n")
    with pytest.raises(InputError, match=r"ann\.jsonl, line 2: (verdict|reviewer|review_key)"):
        read_reviews(tmp_path)


@pytest.mark.parametrize(
    ("answers", "majority", "any_reject", "adjudicated"),
    [
        ([], "unreviewed", "unreviewed", "unreviewed"),
        (["keep"], "keep", "keep", "keep"),
        (["keep", "keep", "reject"], "keep", "reject", "unsure"),
        (["keep", "reject"], "unsure", "reject", "unsure"),
        (["unsure", "unsure", "keep"], "keep", "keep", "keep"),
        (["unsure"], "unsure", "unsure", "unsure"),
        (["reject", "unsure"], "reject", "reject", "reject"),
        (["reject", "reject"], "reject", "reject", "reject"),
    ],
)
def test_policies_join_answers(answers: list[Answer], majority: str, any_reject: str, adjudicated: str) -> None:
    assert join(answers, "majority") == majority
    assert join(answers, "any_reject") == any_reject
    assert join(answers, "adjudicated") == adjudicated


@pytest.mark.parametrize("policy", ["majority", "any_reject", "adjudicated"])
def test_an_adjudicators_word_holds_under_every_policy(policy: Policy) -> None:
    assert join(["keep", "reject", "reject"], policy, ["keep"]) == "keep"
    assert join([], policy, ["reject"]) == "reject"
    assert join(["keep"], policy, ["keep", "reject"]) == "unsure"


def test_an_adjudicators_line_is_kept_beside_the_same_persons_verdict(tmp_path: Path) -> None:
    ruling = json.dumps({"review_key": KEY, "verdict": "keep", "reviewer": "Ann", "adjudicated": True, "seconds": 4.5})
    (tmp_path / "ann.jsonl").write_text("\n".join([_line("reject"), ruling]))
    found = read_reviews(tmp_path)
    assert found.ballots == {KEY: {"Ann": "reject"}}
    assert found.rulings == {KEY: {"Ann": "keep"}}
    assert found.seconds == {"Ann": [4.5]}


@given(st.lists(ANSWERS))
def test_the_order_of_answers_does_not_matter(answers: list[Answer]) -> None:
    shuffled = sorted(answers)
    assert join(answers, "majority") == join(shuffled, "majority")
    assert join(answers, "any_reject") == join(shuffled, "any_reject")


def test_only_rejected_and_unwanted_unsure_pairs_are_dropped() -> None:
    assert drop_reason("reject", "keep") == "rejected"
    assert drop_reason("unsure", "drop") == "unsure"
    assert [drop_reason(verdict, "keep") for verdict in ("keep", "unsure", "unreviewed")] == [None, None, None]

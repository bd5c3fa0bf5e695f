import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import answers
from pipeline.answers import Answer, TripletVerdict
from pipeline.errors import InputError
from pipeline.review.verdicts import Policy, drop_reason, join, read_reviews

KEY = "a" * 64
ANSWERS = st.sampled_from(["keep", "reject", "unsure"])


def _line(verdict: str, reviewer: str = "Ann", key: str = KEY) -> str:
    return json.dumps({"review_key": key, "verdict": verdict, "reviewer": reviewer, "reasons": ["nsfw"], "note": "hm"})


def test_the_last_line_of_a_reviewer_on_a_key_holds(tmp_path: Path) -> None:
    (tmp_path / "ann.jsonl").write_text("\n".join([_line("keep"), _line("keep", "Bob"), _line("reject")]))
    assert read_reviews(tmp_path).said == {"Ann": {KEY: "reject"}, "Bob": {KEY: "keep"}}


@pytest.mark.parametrize("line", [_line("maybe"), _line("keep", ""), _line("keep", key="short")])
def test_a_wrong_verdict_names_file_and_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "ann.jsonl").write_text(_line("keep") + "\n" + line + "\n")
    with pytest.raises(InputError, match=r"ann\.jsonl, line 2: (verdict|reviewer|review_key)"):
        read_reviews(tmp_path)


@pytest.mark.parametrize(
    ("said", "majority", "any_reject", "adjudicated"),
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
def test_policies_join_answers(said: list[Answer], majority: str, any_reject: str, adjudicated: str) -> None:
    assert join(said, "majority") == majority
    assert join(said, "any_reject") == any_reject
    assert join(said, "adjudicated") == adjudicated


@pytest.mark.parametrize("policy", ["majority", "any_reject", "adjudicated"])
def test_an_adjudicators_word_holds_under_every_policy(policy: Policy) -> None:
    assert join(["keep", "reject", "reject"], policy, ["keep"]) == "keep"
    assert join([], policy, ["reject"]) == "reject"
    assert join(["keep"], policy, ["keep", "reject"]) == "unsure"


def test_an_adjudicators_line_is_kept_beside_the_same_persons_verdict(tmp_path: Path) -> None:
    said = {"review_key": KEY, "reviewer": "Ann"}
    lines = [
        {**said, "verdict": "reject", "seconds": 2.0},
        {**said, "verdict": "keep", "seconds": 4.5, "adjudicated": True},
    ]
    (tmp_path / "ann.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = read_reviews(tmp_path)
    assert found.said == {"Ann": {KEY: "reject"}}
    assert found.rulings == {"Ann": {KEY: "keep"}}
    assert {who: list(times) for who, times in found.seconds.items()} == {"Ann": [2.0]}
    assert found.people() == ["Ann"]


def test_a_verdict_that_was_taken_back_counts_nowhere(tmp_path: Path) -> None:
    back = json.dumps({"review_key": KEY, "reviewer": "Ann", "retracted": True})
    (tmp_path / "ann.jsonl").write_text("\n".join([_line("reject"), back]))
    found = read_reviews(tmp_path)
    assert found.said == {"Ann": {}}
    assert found.people() == []
    assert found.stale(set(), set()) == 0


LINES = st.lists(
    st.builds(
        TripletVerdict,
        review_key=st.sampled_from(["a" * 64, "b" * 64]),
        verdict=ANSWERS,
        reviewer=st.sampled_from(["Ann", "Bob"]),
        retracted=st.booleans(),
        adjudicated=st.booleans(),
    )
)


@given(LINES)
def test_verdicts_are_read_by_the_rules_of_all_tasks(tmp_path_factory: pytest.TempPathFactory, lines: Any) -> None:
    folder = tmp_path_factory.mktemp("reviews")
    (folder / "people.jsonl").write_bytes(b"".join(map(answers.encode, lines)))
    found = read_reviews(folder)
    read = {
        (line.review_key, line.reviewer, line.adjudicated): line.verdict
        for line in answers.read(folder, TripletVerdict)
    }
    both = {False: found.said, True: found.rulings}
    assert read == {
        (key, who, ruled): verdict
        for ruled, opinions in both.items()
        for who, said in opinions.items()
        for key, verdict in said.items()
    }


@given(st.lists(ANSWERS))
def test_the_order_of_answers_does_not_matter(said: list[Answer]) -> None:
    shuffled = sorted(said)
    assert join(said, "majority") == join(shuffled, "majority")
    assert join(said, "any_reject") == join(shuffled, "any_reject")


def test_only_rejected_and_unwanted_unsure_pairs_are_dropped() -> None:
    assert drop_reason("reject", "keep") == "rejected"
    assert drop_reason("unsure", "drop") == "unsure"
    assert [drop_reason(verdict, "keep") for verdict in ("keep", "unsure", "unreviewed")] == [None, None, None]

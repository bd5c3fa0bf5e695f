import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.review.verdicts import Answer, drop_reason, join, read_ballots

KEY = "a" * 64
ANSWERS = st.sampled_from(["keep", "reject", "unsure"])


def _line(verdict: str, reviewer: str = "Ann", key: str = KEY) -> str:
    return json.dumps({"review_key": key, "verdict": verdict, "reviewer": reviewer, "reasons": ["nsfw"], "note": "hm"})


def test_the_last_line_of_a_reviewer_on_a_key_holds(tmp_path: Path) -> None:
    (tmp_path / "ann.jsonl").write_text("\n".join([_line("keep"), _line("keep", "Bob"), _line("reject")]))
    assert read_ballots(tmp_path) == {KEY: {"Ann": "reject", "Bob": "keep"}}


@pytest.mark.parametrize("line", [_line("maybe"), _line("keep", ""), _line("keep", key="short")])
def test_a_wrong_verdict_names_file_and_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "ann.jsonl").write_text(_line("keep") + "\n" + line + "\n")
    with pytest.raises(InputError, match=r"ann\.jsonl, line 2: (verdict|reviewer|review_key)"):
        read_ballots(tmp_path)


@pytest.mark.parametrize(
    ("answers", "majority", "any_reject"),
    [
        ([], "unreviewed", "unreviewed"),
        (["keep"], "keep", "keep"),
        (["keep", "keep", "reject"], "keep", "reject"),
        (["keep", "reject"], "unsure", "reject"),
        (["unsure", "unsure", "keep"], "keep", "keep"),
        (["unsure"], "unsure", "unsure"),
        (["reject", "unsure"], "reject", "reject"),
    ],
)
def test_policies_join_answers(answers: list[Answer], majority: str, any_reject: str) -> None:
    assert join(answers, "majority") == majority
    assert join(answers, "any_reject") == any_reject


@given(st.lists(ANSWERS))
def test_the_order_of_answers_does_not_matter(answers: list[Answer]) -> None:
    shuffled = sorted(answers)
    assert join(answers, "majority") == join(shuffled, "majority")
    assert join(answers, "any_reject") == join(shuffled, "any_reject")


def test_only_rejected_and_unwanted_unsure_pairs_are_dropped() -> None:
    assert drop_reason("reject", "keep") == "rejected"
    assert drop_reason("unsure", "drop") == "unsure"
    assert [drop_reason(verdict, "keep") for verdict in ("keep", "unsure", "unreviewed")] == [None, None, None]

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import answers
from pipeline.answers import PreferenceAnswer, SemanticVerdict, TripletVerdict, standing
from pipeline.errors import InputError

KEY, OTHER = "a" * 64, "b" * 64
PAIR = {"prompt_id": "x", "index": 0, "sha256_base": KEY, "sha256_adapted": OTHER, "reviewer": "Ann"}
PICTURE = {"sample_id": "x/00/base", "sha256": KEY, "reviewer": "Ann"}


def _verdict(verdict: str | None, **more: Any) -> TripletVerdict:
    return TripletVerdict.model_validate({"review_key": KEY, "verdict": verdict, "reviewer": "Ann", **more})


def _pair(**said: Any) -> PreferenceAnswer:
    return PreferenceAnswer.model_validate({**PAIR, **said})


def test_the_last_line_of_a_reviewer_on_an_item_holds() -> None:
    lines = [_verdict("keep"), _verdict("keep", reviewer="Bob"), _verdict("reject"), _verdict("keep", review_key=OTHER)]
    assert [(line.reviewer, line.item, line.verdict) for line in standing(lines)] == [
        ("Ann", KEY, "reject"),
        ("Bob", KEY, "keep"),
        ("Ann", OTHER, "keep"),
    ]


def test_a_verdict_that_was_taken_back_does_not_hold_nor_does_the_one_before_it() -> None:
    lines = [_verdict("keep"), _verdict("reject"), _verdict(None, retracted=True)]
    assert standing(lines) == []
    assert standing([*lines, _verdict("unsure")]) == [_verdict("unsure")]


def test_taking_back_a_ruling_leaves_the_verdict_of_the_same_person() -> None:
    ruling, back = _verdict("keep", adjudicated=True), _verdict(None, adjudicated=True, retracted=True)
    assert standing([_verdict("reject"), ruling]) == [_verdict("reject"), ruling]
    assert standing([_verdict("reject"), ruling, back]) == [_verdict("reject")]


@pytest.mark.parametrize(
    ("said", "whole"),
    [
        ({"verdict": "yes"}, "yes"),
        ({"answers": {"counting": "yes", "colour": "yes"}}, "yes"),
        ({"answers": {"counting": "yes", "colour": "unsure"}}, "unsure"),
        ({"answers": {"counting": "no", "colour": "unsure"}}, "no"),
    ],
)
def test_an_image_is_right_if_all_that_was_asked_of_it_is(said: dict[str, Any], whole: str) -> None:
    assert SemanticVerdict.model_validate({**PICTURE, **said}).whole == whole


def test_a_verdict_belongs_to_the_bytes_that_were_seen() -> None:
    lines = [SemanticVerdict.model_validate({**PICTURE, "sha256": sha, "verdict": "yes"}) for sha in (KEY, OTHER)]
    assert standing(lines) == lines


@pytest.mark.parametrize(
    ("left", "side", "choice"),
    [
        ("base", "left", "base"),
        ("base", "right", "adapted"),
        ("adapted", "left", "adapted"),
        ("adapted", "right", "base"),
        ("adapted", "tie", "tie"),
    ],
)
def test_a_side_means_the_arm_that_was_there(left: str, side: str, choice: str) -> None:
    (line,) = standing([_pair(left=left, answers={"overall": side})])
    assert (line.question, line.choice) == ("overall", choice)


def test_a_later_line_replaces_only_the_questions_that_it_answers() -> None:
    first = _pair(left="base", answers={"overall": "left", "text": "tie"})
    held = {line.question: line.choice for line in standing([first, _pair(choice="adapted")])}
    assert held == {"overall": "adapted", "text": "tie"}
    assert standing([first, _pair(retracted=True)]) == []


@pytest.mark.parametrize(
    ("shape", "line", "told"),
    [
        (TripletVerdict, {"review_key": KEY, "reviewer": "Ann"}, "verdict is missing"),
        (TripletVerdict, {"review_key": KEY, "reviewer": "Ann", "verdict": "keep", "seconds": -1}, "seconds should be"),
        (SemanticVerdict, PICTURE, "verdict or answers is missing"),
        (SemanticVerdict, {**PICTURE, "answers": {"taste": "yes"}}, r"answers\.taste"),
        (SemanticVerdict, {**PICTURE, "verdict": "yes", "answers": {"colour": "no"}}, "not both"),
        (PreferenceAnswer, PAIR, "choice or answers is missing"),
        (PreferenceAnswer, {**PAIR, "answers": {"overall": "left"}}, "answers need left"),
        (PreferenceAnswer, {**PAIR, "choice": "tie", "left": "base", "answers": {"overall": "tie"}}, "not both"),
    ],
)
def test_a_line_without_a_clear_answer_is_told_with_its_place(
    tmp_path: Path, shape: Any, line: dict[str, Any], told: str
) -> None:
    (tmp_path / "ann.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(InputError, match=rf"ann\.jsonl, line 1: .*{told}.*repair or remove the line"):
        answers.read(tmp_path, shape)


@given(st.text(min_size=1), st.text(), st.none() | st.floats(0, 1e6), st.booleans())
def test_a_line_is_read_as_it_was_written(reviewer: str, note: str, seconds: float | None, adjudicated: bool) -> None:
    line = _verdict("keep", reviewer=reviewer, note=note, seconds=seconds, adjudicated=adjudicated, reasons=[note])
    written = answers.encode(line)
    assert written.count(b"\n") == 1
    assert TripletVerdict.model_validate_json(written) == line


def test_lines_begin_with_what_was_judged() -> None:
    assert answers.encode(_verdict("keep", note="hm")) == (
        b'{"review_key": "%s", "verdict": "keep", "reviewer": "Ann", "note": "hm"}\n' % KEY.encode()
    )
    pair = _pair(left="adapted", answers={"overall": "tie"})
    assert PreferenceAnswer.model_validate_json(answers.encode(pair)) == pair


@pytest.mark.parametrize(
    ("reviewer", "name"),
    [
        ("Ann", "ann.jsonl"),
        ("../../etc/passwd", "etc-passwd.jsonl"),
        ("Zoë Müller 2", "zoe-muller-2.jsonl"),
        ("miniature truth (not a person)", "miniature-truth-not-a-person.jsonl"),
    ],
)
def test_a_reviewers_file_is_a_plain_name(reviewer: str, name: str) -> None:
    assert answers.file_name(reviewer) == name


@given(st.text(min_size=1))
def test_every_name_gives_a_file_in_the_folder(reviewer: str) -> None:
    name = answers.file_name(reviewer)
    assert Path(name).name == name
    assert name.isascii()
    assert 6 < len(name) < 80
    assert answers.file_name("李雷") != answers.file_name("韩梅梅")

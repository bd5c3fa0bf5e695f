import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline import answers
from pipeline.answers import TripletVerdict
from pipeline.review import taking_in
from pipeline.review.taking_in import Outcome

KEY = "a" * 64


def _line(**said: Any) -> TripletVerdict:
    return TripletVerdict.model_validate_json(json.dumps({"review_key": KEY, "reviewer": "Ann", **said}))


def _take(folder: Path, *lines: TripletVerdict, today: set[str] | None = None) -> Outcome:
    outcome = Outcome()
    taking_in.take_in(lines, folder, "triplets", outcome, today)
    return outcome


def test_new_lines_are_appended_to_each_reviewers_file(tmp_path: Path) -> None:
    taken = _take(tmp_path, _line(verdict="keep"), _line(verdict="reject", reviewer="Bob Q")).taken
    assert taken == {tmp_path / "ann.jsonl": 1, tmp_path / "bob-q.jsonl": 1}


def test_the_standing_answer_decides_what_is_new(tmp_path: Path) -> None:
    assert _take(tmp_path, _line(verdict="keep", seconds=3)).taken
    assert _take(tmp_path, _line(verdict="keep", seconds=4)).passed_over == {"already known": 1}
    assert _take(tmp_path, _line(verdict="keep", note="hm")).taken
    assert _take(tmp_path, _line(verdict="reject")).taken
    assert _take(tmp_path, _line(verdict="keep", adjudicated=True)).taken
    assert [line.verdict for line in answers.read(tmp_path, TripletVerdict)] == ["reject", "keep"]


def test_taking_back_is_new_only_where_something_stands(tmp_path: Path) -> None:
    assert _take(tmp_path, _line(retracted=True)).passed_over == {"already known": 1}
    _take(tmp_path, _line(verdict="keep"))
    assert _take(tmp_path, _line(retracted=True)).taken
    assert answers.read(tmp_path, TripletVerdict) == []
    assert _take(tmp_path, _line(verdict="keep")).taken


def test_stale_answers_are_kept_and_counted(tmp_path: Path) -> None:
    lines = [_line(verdict="keep"), _line(verdict="keep", review_key="b" * 64)]
    outcome = _take(tmp_path, *lines, today={KEY})
    assert (sum(outcome.taken.values()), outcome.stale) == (2, 1)
    assert _take(tmp_path, *lines, today={KEY}).stale == 0


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "ann.jsonl"
    path.write_bytes(answers.encode(_line(verdict="keep")).removesuffix(b"\n"))
    assert _take(tmp_path, _line(verdict="reject")).taken
    assert len(path.read_bytes().splitlines()) == 2
    assert [line.verdict for line in answers.read(tmp_path, TripletVerdict)] == ["reject"]


LINE = st.builds(
    lambda key, reviewer, verdict, second, note: _line(
        review_key=key * 64, reviewer=reviewer, verdict=verdict, note=note, at=f"2026-11-21T10:00:{second:02d}Z"
    ),
    st.sampled_from("ab"),
    st.sampled_from(["Ann", "Bob"]),
    st.sampled_from(["keep", "reject", "unsure"]),
    st.integers(0, 3),
    st.sampled_from(["", "hm"]),
)


@given(st.lists(LINE), st.lists(LINE))
def test_a_file_that_comes_in_again_changes_nothing(tmp_path_factory: Any, first: Any, second: Any) -> None:
    folder = tmp_path_factory.mktemp("reviews")
    _take(folder, *first)
    _take(folder, *second)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert not _take(folder, *second).taken
    assert not _take(folder, *first).taken
    assert {path: path.read_bytes() for path in folder.iterdir()} == before

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import answers, work
from pipeline.answers import PreferenceAnswer, TripletVerdict
from pipeline.errors import InputError
from pipeline.review import commands, locking, taking_in
from pipeline.review.taking_in import Outcome

KEY = "a" * 64


@pytest.fixture(autouse=True)
def in_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "root", lambda: tmp_path.parent / f"{tmp_path.name}-work")


def _line(**said: Any) -> TripletVerdict:
    return TripletVerdict.model_validate_json(json.dumps({"review_key": KEY, "reviewer": "Ann", **said}))


def _take(folder: Path, *lines: TripletVerdict, today: set[str] | None = None) -> Outcome:
    outcome = Outcome()
    taking_in.take_in(lines, folder, "triplets", outcome, today)
    return outcome


def test_new_lines_are_appended_to_each_reviewers_file(tmp_path: Path) -> None:
    taken = _take(tmp_path, _line(verdict="keep"), _line(verdict="reject", reviewer="Bob Q")).taken
    assert taken == {tmp_path / "ann.jsonl": 1, tmp_path / "bob-q.jsonl": 1}


def test_a_file_that_a_page_has_open_is_left_alone_and_nothing_is_taken_in(tmp_path: Path) -> None:
    lines = [_line(verdict="keep", reviewer="Ann"), _line(verdict="keep", reviewer="Bob")]
    lock = locking.taken(tmp_path / "bob.jsonl", locking.folder())
    with pytest.raises(InputError, match=r"bob\.jsonl is in use by another review page or import"):
        _take(tmp_path, *lines)
    assert list(tmp_path.iterdir()) == []
    lock.release()
    assert len(_take(tmp_path, *lines).taken) == 2
    for reviewer in ("ann", "bob"):  # afterwards a page may have them
        locking.taken(tmp_path / f"{reviewer}.jsonl", locking.folder()).release()


def test_the_standing_answer_decides_what_is_new(tmp_path: Path) -> None:
    assert _take(tmp_path, _line(verdict="keep", seconds=3)).taken
    assert _take(tmp_path, _line(verdict="keep", seconds=4)).passed_over == {"already known": 1}
    assert _take(tmp_path, _line(verdict="keep", note="hm")).taken
    assert _take(tmp_path, _line(verdict="reject")).taken
    assert _take(tmp_path, _line(verdict="keep", adjudicated=True)).taken
    assert [line.verdict for line in answers.read(tmp_path, TripletVerdict)] == ["reject", "keep"]


def test_answers_without_a_time_that_replace_others_are_counted(tmp_path: Path) -> None:
    assert _take(tmp_path, _line(verdict="keep")).replaced == 0
    timed = _line(verdict="reject").model_copy(update={"at": _pair(5, overall="tie").at})
    assert _take(tmp_path, timed).replaced == 0
    outcome = _take(tmp_path, _line(verdict="keep"))  # an old spreadsheet
    assert (sum(outcome.taken.values()), outcome.replaced) == (1, 1)
    told = commands._told(outcome, "triplets")
    assert "1 of those taken in have no time and replaced another answer, newer or older" in told
    assert _take(tmp_path, _line(retracted=True)).replaced == 1


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE), st.lists(LINE))
def test_a_file_that_comes_in_again_changes_nothing(tmp_path_factory: Any, first: Any, second: Any) -> None:
    folder = tmp_path_factory.mktemp("reviews")
    _take(folder, *first)
    _take(folder, *second)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert not _take(folder, *second).taken
    assert not _take(folder, *first).taken
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def _pair(second: int | None, note: str = "", retracted: bool = False, **sides: str) -> PreferenceAnswer:
    pair = {"prompt_id": "a", "index": 0, "sha256_base": KEY, "sha256_adapted": "b" * 64, "reviewer": "Ann"}
    said = {**pair, "left": "base", "answers": sides, "note": note, "retracted": retracted}
    at = {} if second is None else {"at": f"2026-11-21T10:00:{second:02d}Z"}
    return PreferenceAnswer.model_validate_json(json.dumps({**said, **at}))


def _prefer(folder: Path, *lines: PreferenceAnswer) -> Outcome:
    outcome = Outcome()
    taking_in.take_in(lines, folder, "preference", outcome, None)
    return outcome


def _preferred(folder: Path) -> dict[str, str | None]:
    return {line.question: line.choice for line in answers.read(folder, PreferenceAnswer)}


OWN = [_pair(1, overall="left"), _pair(2, text="right"), _pair(2, flaws="tie"), _pair(3, overall="right")]


def test_our_own_lines_of_a_pair_all_come_in_one_for_each_question(tmp_path: Path) -> None:
    for lines, times in (OWN, "timed"), ([line.model_copy(update={"at": None}) for line in OWN], "untimed"):
        folder = tmp_path / times
        outcome = _prefer(folder, *lines)
        assert _preferred(folder) == {"overall": "adapted", "text": "adapted", "flaws": "tie"}
        assert (sum(outcome.taken.values()), dict(outcome.passed_over)) == (3, {"said again in the file": 1})
        assert not _prefer(folder, *lines).taken


def test_what_was_taken_back_stays_so_and_the_rest_that_was_said_again_comes_in(tmp_path: Path) -> None:
    _prefer(tmp_path, *OWN)
    lines = [_pair(9, retracted=True), _pair(9, overall="right", flaws="tie")]  # as the page takes one answer back
    assert _prefer(tmp_path, *OWN, *lines).taken
    assert _preferred(tmp_path) == {"overall": "adapted", "flaws": "tie"}
    assert not _prefer(tmp_path, *OWN, *lines).taken
    assert _prefer(tmp_path, *OWN).taken == {}
    untimed = [line.model_copy(update={"at": None}) for line in (*OWN, *lines)]
    assert not _prefer(tmp_path, *untimed).taken


def test_a_newer_answer_to_one_question_does_not_hold_off_the_others(tmp_path: Path) -> None:
    _prefer(tmp_path, _pair(9, overall="left"))
    assert _prefer(tmp_path, _pair(4, overall="right", text="right"), _pair(5, flaws="left")).taken
    assert _preferred(tmp_path) == {"overall": "base", "text": "adapted", "flaws": "base"}
    assert _prefer(tmp_path, _pair(6, overall="right")).passed_over == {"older than what is there": 1}
    assert _prefer(tmp_path, _pair(6, retracted=True)).passed_over == {"older than what is there": 1}


def test_of_several_answers_in_one_file_the_latest_counts_in_whatever_order_they_stand(tmp_path: Path) -> None:
    late, early, no_time = (_line(verdict=verdict) for verdict in ("keep", "reject", "unsure"))
    late, early = (
        line.model_copy(update={"at": _pair(second, overall="tie").at}) for line, second in ((late, 5), (early, 3))
    )
    for name, lines, holds in (("a", [late, early], "keep"), ("b", [late, no_time, early], "unsure")):
        _take(tmp_path / name, *lines)
        assert [line.verdict for line in answers.read(tmp_path / name, TripletVerdict)] == [holds]


SIDES = st.dictionaries(st.sampled_from(["overall", "text"]), st.sampled_from(["left", "right", "tie"]), min_size=1)
ANSWER = st.builds(lambda second, sides: _pair(second, **sides), st.integers(0, 3), SIDES)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANSWER, max_size=5), st.lists(ANSWER, max_size=5))
def test_preferences_that_come_in_again_change_nothing(tmp_path_factory: Any, first: Any, second: Any) -> None:
    folder = tmp_path_factory.mktemp("reviews")
    _prefer(folder, *first)
    _prefer(folder, *second)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert not _prefer(folder, *second).taken
    assert not _prefer(folder, *first).taken
    assert {path: path.read_bytes() for path in folder.iterdir()} == before

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.answers import Task
from pipeline.errors import InputError
from pipeline.review import foreign, label_studio, reading, studies
from pipeline.review.reading import Source
from tests.pipeline.review import verdicts_made as data

KEY = "a" * 64
TRIPLET = {"review_key": KEY, "verdict": "keep", "reviewer": "Ann"}


def _lines(path: Path, task: Task = "triplets", names: dict[str, str] | None = None, **more: Any) -> list[Any]:
    passed_over: Counter[str] = Counter()
    source = Source(path, task, names or {}, more.get("adjudicated", False), path.parent / "keys")
    found = list(reading.read(source, passed_over))
    return [*found, *passed_over.items()]


def _write(folder: Path, content: str, name: str = "file") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8", newline="")
    return path


def test_a_spreadsheets_csv_is_read_whatever_its_signs(tmp_path: Path) -> None:
    plain = f'review_key,verdict,reasons,note\n{KEY},reject,"nsfw, watermark","two, ""not"" one"\n{"b" * 64},,,\n'
    semicolons = f'\ufeffreview_key;verdict;reasons;note\r\n{KEY};reject;nsfw,watermark;"two, ""not"" one"\r\n'
    for content in (plain, semicolons, plain.replace("nsfw, watermark", "nsfw; watermark")):
        line = _lines(_write(tmp_path, content), names={"": "Ann"})[0]
        assert (line.verdict, line.reasons, line.note) == ("reject", ("nsfw", "watermark"), 'two, "not" one')
        assert line.reviewer == "Ann"
    assert _lines(_write(tmp_path, plain), names={"": "Ann"})[1:] == [("without an answer", 1)]


def test_a_csv_may_name_reviewer_time_and_seconds(tmp_path: Path) -> None:
    header = "review_key,verdict,reviewer,seconds,at"
    line = _lines(_write(tmp_path, f"{header}\n{KEY},keep,Bob,2.5,2026-11-21T10:00:00Z\n"))[0]
    assert (line.reviewer, line.seconds, line.at.isoformat()) == ("Bob", 2.5, "2026-11-21T10:00:00+00:00")


def test_lines_of_our_own_are_taken_as_they_are(tmp_path: Path) -> None:
    lines = [{**TRIPLET, "adjudicated": True}, {"review_key": KEY, "reviewer": "Bob", "retracted": True}]
    path = _write(tmp_path, "\n".join(map(json.dumps, lines)) + "\n\n")
    first, second = _lines(path, names={"Bob": "Robert"})
    assert (first.verdict, first.adjudicated) == ("keep", True)
    assert (second.reviewer, second.retracted) == ("Robert", True)
    assert _lines(_write(tmp_path, json.dumps(TRIPLET)), adjudicated=True)[0].adjudicated


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", r"line 1: has no column review_key or item, only a, b"),
        ("review_key,verdict\n" + KEY + ",kept\n", r"line 2, column verdict should be .*got 'kept'"),
        (f"review_key,verdict\n{KEY},keep\nshort,keep\n", r"line 3, column review_key should .*got 'short'"),
        (f"review_key,verdict\n{KEY},keep,more\n", r"line 2: has 3 cells where the header has 2"),
        (f"review_key,verdict,seconds\n{KEY},keep,soon\n", r"line 2, column seconds: could not convert"),
        (f'review_key,verdict\n{KEY},"keep" x\n', r"line \d: no CSV"),
        (f"annotation_id,annotator,review_key,verdict,lead_time\n1,1,{KEY},keep,x\n", "line 2, column lead_time"),
        (json.dumps(TRIPLET) + "\n{broken\n", r"line 2, no JSON"),
        (json.dumps(TRIPLET) + "\n3\n", r"line 2, no JSON object"),
        (json.dumps({**TRIPLET, "verdict": "maybe"}) + "\n", r"line 1, column verdict should be .*got 'maybe'"),
        (json.dumps({"review_key": KEY, "reviewer": "Ann"}) + "\n", r"line 1, verdict is missing"),
        (
            '[{"id": 7, "annotation_id": 1, "annotator": 1, "lead_time": "x"}]',
            "task 7, annotation 1, column lead_time: could not convert",
        ),
        ('[{"annotation_id": 1, "annotator": 1, "lead_time": [1]}]', "task 1, annotation 1, column lead_time"),
        (
            '[{"data": {}, "annotations": [{"id": 2, "completed_by": 1, "result": [{"from_name": "verdict"}]}]}]',
            'task 1, annotation 2: a region of result has no value: {"from_name": "verdict"}',
        ),
        (
            '[{"data": {}, "annotations": [{"id": 2, "completed_by": 1, "result": [3]}]}]',
            "annotation 2: a region of result has no value: 3",
        ),
        ('[{"id": 1}]', r"task 1: has neither annotations nor annotation_id"),
        ('[{"data": {}, "annotations": [{"id": 2}], "id": 1}]', r"task 1, annotation 2: has no result"),
        ('[{"data": {}, "annotations": [3]}]', r"task 1, annotation \?: has no result"),
        ('[{"data": {}, "annotations": []}, {"da', r"task 2: cut off or no JSON"),
        ('{"format": "other/1", "answers": []}', r"is not a file of answers of the format"),
    ],
)
def test_a_wrong_file_is_told_in_one_line_with_row_and_column(tmp_path: Path, content: str, told: str) -> None:
    path = _write(tmp_path, content)
    with pytest.raises(InputError, match=told) as caught:
        _lines(path, names={"": "Ann"})
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_missing_and_foreign_bytes_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing is missing"):
        _lines(tmp_path / "nothing")
    with pytest.raises(InputError, match="is a folder: name the file"):
        _lines(tmp_path)
    late = "review_key,verdict\n" + f"{KEY},keep\n" * 99  # past what tells the form
    lines, tasks = (json.dumps(TRIPLET) + "\n") * 99, "[" + " " * 9999
    for start in ("review_key,verdict\n", late, lines, tasks):
        (tmp_path / "latin").write_bytes(f'{start}"ü"'.encode("latin-1"))
        with pytest.raises(InputError, match=r"is not UTF-8 text|no JSON"):
            _lines(tmp_path / "latin", names={"": "Ann"})


def test_a_choice_of_which_there_can_be_one_is_not_two(tmp_path: Path) -> None:
    result = [{"from_name": "verdict", "value": {"choices": ["keep", "reject"]}}]
    annotation = {"id": 2, "completed_by": 1, "result": result}
    path = _write(tmp_path, json.dumps([{"id": 1, "data": {"review_key": KEY}, "annotations": [annotation]}]))
    with pytest.raises(
        InputError, match="task 1, annotation 2, column verdict: one answer is expected, got keep, reject"
    ):
        _lines(path)


def test_two_reviewers_do_not_become_one(tmp_path: Path) -> None:
    content = f"review_key,verdict,reviewer\n{KEY},keep,Ann\n{KEY},reject,Bob\n"
    with pytest.raises(InputError, match=r"several reviewers \(Ann, Bob\): name each by --reviewer Bob=NAME"):
        _lines(_write(tmp_path, content), names={"": "Cem"})
    assert [line.reviewer for line in _lines(_write(tmp_path, content), names={"": "Cem", "Bob": "B"})] == ["Cem", "B"]


def test_an_answer_of_nobody_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2, column reviewer is missing: name the reviewer by --reviewer NAME"):
        _lines(_write(tmp_path, f"review_key,verdict\n{KEY},keep\n"))


def test_an_element_that_is_larger_than_what_is_read_at_once_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_studio, "CHUNK", 7)
    annotation = {"id": 2, "completed_by": 1, "result": [{"from_name": "verdict", "value": {"choices": ["keep"]}}]}
    tasks = [{"id": n, "data": {"review_key": f"{n:064x}"}, "annotations": [annotation]} for n in range(3)]
    lines = _lines(_write(tmp_path, json.dumps(tasks, indent=2)))
    assert [line.review_key for line in lines] == [f"{n:064x}" for n in range(3)]


@pytest.fixture
def study(tmp_path: Path) -> studies.Key:
    key = studies.semantic(data.manifest(1).to_pylist(), data.PROMPTS, studies.Scope(), 0)
    studies.save(key, tmp_path / "keys")
    studies.save(data.pair_study(1), tmp_path / "keys")
    return key


def test_pictures_may_be_judged_as_a_whole_and_without_a_study(tmp_path: Path, study: studies.Key) -> None:
    item, picture = next(iter(study.items.items()))
    assert isinstance(picture, studies.Picture)
    (line,) = _lines(_write(tmp_path, f"item,verdict\n{item},no\n"), "semantic", {"": "Ann"})
    assert (line.item, line.whole) == ((picture.sample_id, picture.sha256), "no")
    for column, value in (("verdict", "yes"), ("colour", "yes")):
        (line,) = _lines(
            _write(tmp_path, f"sample_id,sha256,{column}\nx/00/base,{KEY},{value}\n"), "semantic", {"": "Ann"}
        )
        assert (line.item, line.whole) == (("x/00/base", KEY), "yes")


def test_items_of_no_study_or_of_another_task_are_told(tmp_path: Path, study: studies.Key) -> None:
    (pair,), (picture, *_) = data.pair_study(1).items, study.items
    for task, item, told in (
        ("semantic", "0123-0001", "no study '0123' in"),
        ("semantic", "../../etc-1", "no study '../../etc' in"),
        ("semantic", f"{study.study}-9999", "the study has no item"),
        ("semantic", pair, "belongs to a preference study: use --task preference"),
        ("preference", picture, "belongs to a semantic study: use --task semantic"),
    ):
        path = _write(tmp_path, f"item,action,overall\n{item},yes,left\n")
        with pytest.raises(InputError, match=f"line 2, column item: .*{told}"):
            _lines(path, task, {"": "Ann"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="line 2, column item is missing"):
        _lines(_write(tmp_path, "item,overall\n,left\n"), "preference", {"": "Ann"})
    with pytest.raises(InputError, match=r"line 2, column overall should be .*got 'up'"):
        _lines(_write(tmp_path, f"item,overall\n{pair},up\n"), "preference", {"": "Ann"})
    assert _lines(_write(tmp_path, f"item,overall\n{pair},\n"), "preference") == [("without an answer", 1)]


def test_a_preference_that_is_to_decide_is_told_since_one_person_would_count_twice(tmp_path: Path) -> None:
    pair = {"prompt_id": "a", "index": 0, "sha256_base": KEY, "sha256_adapted": "b" * 64, "choice": "base"}
    path = _write(tmp_path, json.dumps({**pair, "reviewer": "Ann", "adjudicated": True}))
    with pytest.raises(InputError, match="line 1, column adjudicated: preferences have no conflicts to decide"):
        _lines(path, "preference")


def test_a_damaged_key_is_told(tmp_path: Path, study: studies.Key) -> None:
    (tmp_path / "keys" / f"{study.study}.json").write_text('{"study": 3}')
    with pytest.raises(InputError, match="is not the key of a study: restore it"):
        _lines(_write(tmp_path, f"item,action\n{study.study}-0001,yes\n"), "semantic", {"": "Ann"})


def test_a_changed_file_of_our_page_is_told(tmp_path: Path) -> None:
    content = {"format": foreign.PAGE_FORMAT, "reviewer": "Ann", "answers": [3]}
    with pytest.raises(InputError, match="answer 1: is no object"):
        _lines(_write(tmp_path, json.dumps(content)), "preference")

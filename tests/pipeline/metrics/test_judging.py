import json
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import tables
from pipeline.errors import InputError, SettingError
from pipeline.metrics import judging

SHA = "a" * 64
ATOMS = [{"skill": "colour"}, {"skill": "counting"}]
PICTURE = Image.new("RGB", (8, 8), "red")


def _answer(atom: int, *, p: float = 0.9) -> dict[str, Any]:
    return {"atom": atom, "p": p, "verdict": p > 0.5, "reason": "seen"}


def _judge(*answers: dict[str, Any]) -> judging.Judge:
    return judging.Judge("fake", "0" * 16, lambda image, atoms: answers)


@pytest.fixture
def in_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("evaluate:\n  judges: something\n")


def _line(sample_id: str, verdict: str, reviewer: str = "Ann", sha256: str = SHA) -> str:
    return json.dumps({"sample_id": sample_id, "sha256": sha256, "reviewer": reviewer, "verdict": verdict})


def test_a_judges_answers_become_rows_in_the_order_of_atoms() -> None:
    judge = _judge(_answer(1, p=0.2), _answer(0))
    answers = judging.judge_image(judge, "x/00/base", PICTURE, ATOMS)
    table = tables.from_rows([judge.row("x/00/base", answer) for answer in answers], judging.VERDICTS)
    assert table.column("atom").to_pylist() == [0, 1]
    assert table.column("verdict").to_pylist() == [True, False]


def test_a_judge_that_leaves_an_atom_out_is_refused() -> None:
    with pytest.raises(ValueError, match="each of the 2 atoms"):
        judging.judge_image(_judge(_answer(0)), "x/00/base", PICTURE, ATOMS)


def test_a_probability_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        judging.judge_image(_judge(_answer(0), _answer(1, p=1.1)), "x/00/base", PICTURE, ATOMS)


def _rater(value: float) -> judging.Judge:
    return judging.Judge("fake", "0" * 16, lambda image, atoms: [], lambda image: value)


@pytest.mark.parametrize("value", [0, 0.25, 1.0])
def test_a_judge_may_rate_a_picture_from_0_to_1(value: float) -> None:
    assert judging.rate_image(_rater(value), "x/00/base", PICTURE) == value


def test_a_judge_without_a_word_on_quality_rates_nothing() -> None:
    assert judging.rate_image(_judge(), "x/00/base", PICTURE) is None


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_quality_outside_its_range_is_refused_with_judge_and_image(value: float) -> None:
    with pytest.raises(ValueError, match=r"fake gave a quality of .* for x/00/base, it must be 0 to 1"):
        judging.rate_image(_rater(value), "x/00/base", PICTURE)


def test_an_image_is_right_if_all_its_atoms_are() -> None:
    rows = [
        {"sample_id": "x", "verdict": True},
        {"sample_id": "x", "verdict": False},
        {"sample_id": "y", "verdict": True},
    ]
    assert judging.right_by_judge(rows, {"x": 2, "y": 1}) == {"x": False, "y": True}


def test_an_image_whose_prompt_a_judge_cannot_answer_in_full_is_not_decided() -> None:
    rows = [{"sample_id": "x", "verdict": False}, {"sample_id": "y", "verdict": True}]
    assert judging.right_by_judge(rows, {"x": 2, "y": 1}) == {"y": True}


def test_a_judge_that_cannot_answer_an_atom_is_not_asked_to() -> None:
    judge = replace(_judge(_answer(1)), can=lambda atom: atom["skill"] == "counting")
    assert [answer["atom"] for answer in judging.judge_image(judge, "x/00/base", PICTURE, ATOMS)] == [1]
    with pytest.raises(ValueError, match="each of the 1 atoms"):
        judging.judge_image(replace(judge, ask=_judge(_answer(0)).ask), "x/00/base", PICTURE, ATOMS)


def test_most_reviewers_decide_and_an_even_split_decides_nothing() -> None:
    said = {"x": [True, True, False], "y": [False], "z": [True, False]}
    rows = [{"sample_id": name, "verdict": verdict} for name, verdicts in said.items() for verdict in verdicts]
    assert judging.right_by_people(rows) == {"x": True, "y": False}


@pytest.mark.usefixtures("in_project")
def test_a_judge_is_a_module_with_a_function_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_judge_for_tests.py").write_text("def judge(image, atoms):\n    return []\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = judging.load("a_judge_for_tests")
    monkeypatch.delitem(sys.modules, "a_judge_for_tests")
    assert judging.judge_image(found, "x/00/base", PICTURE, []) == []
    assert len(found.digest) == 16
    assert found.quality is None
    assert found.version == f"a_judge_for_tests {found.digest}"


@pytest.mark.usefixtures("in_project")
def test_a_judges_function_quality_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("a_rating_judge")
    module.__file__ = __file__
    monkeypatch.setitem(sys.modules, "a_rating_judge", module)
    monkeypatch.setattr(module, "judge", lambda image, atoms: [], raising=False)
    monkeypatch.setattr(module, "quality", lambda image: 0.5, raising=False)
    assert judging.rate_image(judging.load("a_rating_judge"), "x/00/base", PICTURE) == 0.5
    monkeypatch.setattr(module, "quality", 0.5)
    with pytest.raises(SettingError, match=r"evaluate\.judges must have a function quality\(image\)"):
        judging.load("a_rating_judge")


def _digest_of_package(folder: Path, monkeypatch: pytest.MonkeyPatch, helper: str) -> str:
    package = folder / "judge_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text(helper)
    (package / "oracle.py").write_text("import os\nfrom judge_package import helper\njudge = helper.judge\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        found = judging.load("judge_package.oracle")
    for name in ("judge_package", "judge_package.helper", "judge_package.oracle"):
        del sys.modules[name]
    return found.digest


def test_a_judges_digest_covers_what_it_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, same, other = (
        _digest_of_package(tmp_path / name, monkeypatch, f"def judge(image, atoms): return {answer}")
        for name, answer in (("one", 1), ("same", 1), ("other", 2))
    )
    assert one == same != other


@pytest.mark.usefixtures("in_project")
def test_a_judge_that_is_missing_is_told_with_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match=r"evaluate\.judges must name a module, got.*params\.yaml, line 2"):
        judging.load("there_is.no_such_module")
    monkeypatch.setitem(sys.modules, "judgeless", types.ModuleType("judgeless"))
    with pytest.raises(SettingError, match=r"evaluate\.judges must name a module with a function judge"):
        judging.load("judgeless")


def test_peoples_verdicts_count_only_for_the_bytes_they_saw(tmp_path: Path) -> None:
    lines = [
        _line("x/00/base", "no"),
        _line("x/00/base", "yes"),
        _line("x/00/base", "unsure", "Bob"),
        _line("y/00/base", "yes", sha256="b" * 64),
        _line("gone/00/base", "yes"),
    ]
    (tmp_path / "ann.jsonl").write_text("\n".join(lines))
    rows, passed_over = judging.read_people(tmp_path, {"x/00/base": SHA, "y/00/base": SHA})
    assert [(row["sample_id"], row["judge"], row["verdict"]) for row in rows] == [("x/00/base", "person: Ann", True)]
    assert rows[0]["atom"] == judging.WHOLE_IMAGE
    assert passed_over == {"stale": 2, "unsure": 1}
    assert tables.from_rows(rows, judging.VERDICTS).num_rows == 1


def test_people_answer_skill_by_skill_and_an_adjudicator_replaces_them(tmp_path: Path) -> None:
    asked = {"sample_id": "x/00/base", "sha256": SHA, "reviewer": "Ann", "note": "one is cut off"}
    lines = [
        json.dumps({**asked, "answers": {"counting": "no", "colour": "yes"}}),
        _line("y/00/base", "no"),
        json.dumps({**asked, "sample_id": "y/00/base", "answers": {"action": "yes"}, "adjudicated": True, "note": ""}),
    ]
    (tmp_path / "ann.jsonl").write_text("\n".join(lines))
    rows, _ = judging.read_people(tmp_path, {"x/00/base": SHA, "y/00/base": SHA})
    assert [(row["sample_id"], row["verdict"], row["reason"]) for row in rows] == [
        ("x/00/base", False, "colour: yes; counting: no; one is cut off"),
        ("y/00/base", True, "action: yes"),
    ]


def test_a_broken_verdict_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "ann.jsonl").write_text(_line("x/00/base", "perhaps"))
    with pytest.raises(InputError, match=r"ann\.jsonl, line 1: verdict"):
        judging.read_people(tmp_path, {})

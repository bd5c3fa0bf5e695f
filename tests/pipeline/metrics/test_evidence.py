from typing import Any

from pipeline.metrics.evidence import Evidence, People
from pipeline.metrics.pictures import Picture
from pipeline.metrics.readers import Measured
from pipeline.prompts import Prompt

COUNT, SCENE = {"skill": "counting"}, {"skill": "action", "depends_on": [0]}


def _prompt(name: str, *atoms: dict[str, Any]) -> Prompt:
    return Prompt(name, name, None, "counting", atoms, "authored", "authored")


PROMPTS = {each.id: each for each in (_prompt("plain", COUNT), _prompt("scene", COUNT, SCENE))}
PICTURES = [Picture(f"{name}/00/{arm}", arm, name, "counting", 0) for name in PROMPTS for arm in ("base", "adapted")]


def _row(judge: str, name: str, atom: int, verdict: bool) -> dict[str, Any]:
    row = {"sample_id": name, "judge": judge, "judge_digest": "", "atom": atom, "p": float(verdict), "reason": ""}
    return {**row, "verdict": verdict}


def _evidence(rows: list[dict[str, Any]], judges: list[str], said: list[dict[str, Any]] | None = None) -> Evidence:
    return Evidence(PICTURES, Measured(verdicts=rows), People(said or [], [], {}), judges, PROMPTS)


def _detector(base: bool = True, adapted: bool = True) -> list[dict[str, Any]]:
    """It counts, and cannot say anything of a scene."""
    right = {"base": base, "adapted": adapted}
    return [_row("detector", each.sample_id, 0, right[each.arm]) for each in PICTURES]


def _vqa(counts: bool, scene: bool) -> list[dict[str, Any]]:
    told = [counts, scene]
    return [
        _row("vqa", each.sample_id, at, told[at])
        for each in PICTURES
        for at in range(len(PROMPTS[each.prompt_id].atoms))
    ]


def test_a_judge_alone_leaves_out_what_it_cannot_answer_in_full() -> None:
    found = _evidence(_detector(adapted=False), ["detector"])
    assert found.voices() == {"detector": {"plain/00/base": True, "plain/00/adapted": False}}
    assert found.judge == "detector"


def test_the_next_judge_answers_the_statements_that_the_first_cannot() -> None:
    found = _evidence([*_vqa(counts=True, scene=True), *_detector(adapted=False)], ["detector", "vqa"])
    assert found.judge == "detector, then vqa"
    assert found.right() == {
        "plain/00/base": 1.0,
        "plain/00/adapted": 0.0,
        "scene/00/base": 1.0,
        "scene/00/adapted": 0.0,
    }
    alone = found.voices()
    assert list(alone) == ["detector, then vqa", "detector", "vqa"]
    assert list(alone["detector"]) == ["plain/00/base", "plain/00/adapted"]
    assert all(alone["vqa"].values())


def test_a_statements_parent_has_the_word_of_its_own_judge() -> None:
    """The second judge finds the count wrong, and the scene right: the first one's count decides."""
    found = _evidence([*_detector(), *_vqa(counts=False, scene=True)], ["detector", "vqa"])
    assert all(found.right().values())


def test_the_order_of_the_settings_decides_and_not_that_of_the_rows() -> None:
    rows = [*_detector(adapted=False), *_vqa(counts=True, scene=True)]
    assert _evidence(rows, ["vqa", "detector"]).judge == "vqa"
    assert _evidence(rows[::-1], ["detector", "vqa"]).right() == _evidence(rows, ["detector", "vqa"]).right()


def test_a_judge_that_answered_nothing_has_no_part() -> None:
    found = _evidence(_vqa(counts=True, scene=False), ["detector", "vqa"])
    assert list(found.voices()) == ["vqa"]
    assert found.right()["scene/00/base"] == 0.0


def test_people_decide_where_no_judge_decided_any_image() -> None:
    scenes = [row for row in _detector() if row["sample_id"].startswith("scene")]
    said = [_row("person: Ann", "scene/00/base", -1, True)]
    found = _evidence(scenes, ["detector"], said)
    assert (found.voices(), found.judge, found.right()) == ({}, "people", {"scene/00/base": 1.0})

import json
from dataclasses import replace

from pipeline import shots
from pipeline.prompts import Prompt
from pipeline.sample_settings import SampleParams
from tests.pipeline.test_prompts import ENTRY

SAMPLE = {
    "prompts": ["prompts/miniature.json"],
    "limit_per_type": 2,
    "images_per_prompt": 2,
    "steps": 2,
    "guidance_scale": 4.0,
    "scheduler": "ddim",
    "negative_prompt": "",
    "adapt_negative": False,
    "reference_arms": ["complex"],
    "expanded": None,
    "methods": ["none"],
    "controlnets": {"canny": None, "seg": None},
    "weighting": {"factor": 1.21, "adapter_order": "wrap"},
    "panorama": {"height_px": 16, "width_px": 32, "scheduler_of": None},
    "sag": {"scale": 0.75},
    "pag": {"scale": 3.0, "layers": ["mid"]},
    "seed": 0,
}


def config(**changes):
    return SampleParams(**{**SAMPLE, **changes})


def prompt(name="p1", text="two red squares", complex_="red square, 2"):
    return Prompt(name, text, complex_, "counting", ({"skill": "counting"},), "test", "seen")


def test_arms_are_paired_by_seed_and_sorted():
    planned = shots.plan([prompt("b"), prompt("a", complex_=None)], config())
    assert [shot.sample_id for shot in planned] == [
        "a/00/adapted",
        "a/00/base",
        "a/01/adapted",
        "a/01/base",
        "b/00/adapted",
        "b/00/base",
        "b/00/complex",
        "b/01/adapted",
        "b/01/base",
        "b/01/complex",
    ]
    by_pair = {}
    for shot in planned:
        by_pair.setdefault((shot.prompt.id, shot.index), set()).add(shot.seed)
    assert all(len(seeds) == 1 for seeds in by_pair.values())
    assert len(set.union(*by_pair.values())) == 4
    assert {shot.text for shot in planned if shot.arm == "complex"} == {"red square, 2"}


def test_without_reference_arms_there_are_two():
    assert {shot.arm for shot in shots.plan([prompt()], config(reference_arms=[]))} == {"base", "adapted"}


def test_a_base_pictures_key_does_not_name_the_adapter():
    planned = shots.plan([prompt()], config(images_per_prompt=1))
    one, other = shots.work_keys(planned, "adapter-1"), shots.work_keys(planned, "adapter-2")
    changed = [shot.arm for shot, first, second in zip(planned, one, other, strict=True) if first != second]
    assert changed == ["adapted"]


def test_every_method_has_both_arms_from_the_same_seeds_and_references_are_plain():
    planned = shots.plan([prompt()], config(methods=["sag", "none"], images_per_prompt=1))
    assert [shot.sample_id for shot in planned] == [
        "p1/00/adapted",
        "p1/00/adapted/sag",
        "p1/00/base",
        "p1/00/base/sag",
        "p1/00/complex",
    ]
    assert len({shot.seed for shot in planned}) == 1
    assert planned == sorted(planned, key=lambda shot: shot.sample_id)


def test_without_plain_sampling_there_are_no_reference_arms():
    assert {shot.arm for shot in shots.plan([prompt()], config(methods=["sag"]))} == {"base", "adapted"}


def test_a_source_picture_is_part_of_the_key():
    planned = shots.plan([prompt()], config(images_per_prompt=1, reference_arms=[]))
    keys = [shots.work_keys(planned, "adapter", sources) for sources in (None, [b"1", b"1"], [b"1", b"2"])]
    assert keys[1][0] == keys[2][0]
    assert len({key for some in keys for key in some}) == 5


BOTH = {"reference_arms": ["complex", "expanded"], "expanded": "prompts/llm.json"}


def test_a_prompt_without_an_expanded_wording_has_no_such_arm():
    planned = shots.plan([replace(prompt("a"), expanded="Two squares."), prompt("b")], config(**BOTH))
    expanded = [shot for shot in planned if shot.arm == "expanded"]
    assert [shot.sample_id for shot in expanded] == ["a/00/expanded", "a/01/expanded"]
    assert {shot.text for shot in expanded} == {"Two squares."}
    assert not any(shot.adapted for shot in expanded)
    base = {shot.index: shot.seed for shot in planned if (shot.prompt.id, shot.arm) == ("a", "base")}
    assert {shot.index: shot.seed for shot in expanded} == base


def test_an_expanded_arm_changes_no_other_pictures_key():
    chosen = [replace(prompt("a"), expanded="Two squares."), prompt("b")]
    keys = []
    for changes in ({}, BOTH):
        planned = shots.plan(chosen, config(**changes))
        made = shots.work_keys(planned, "adapter")
        keys.append({shot.sample_id: key for shot, key in zip(planned, made, strict=True)})
    before, after = keys
    assert before.items() < after.items()
    assert after.keys() - before.keys() == {"a/00/expanded", "a/01/expanded"}
    assert not {after[name] for name in after.keys() - before.keys()} & set(before.values())


def test_ids_of_prompts_beyond_the_limit_are_known_too(tmp_path):
    (tmp_path / "prompts.json").write_text(json.dumps([ENTRY, {**ENTRY, "id": "b"}]))
    (tmp_path / "llm.json").write_text(json.dumps({"b": "Three circles."}))
    files = {"prompts": [str(tmp_path / "prompts.json")], "expanded": str(tmp_path / "llm.json")}
    for limit, found in ((1, [None]), (2, [None, "Three circles."])):
        chosen = shots.chosen(config(**{**BOTH, **files, "limit_per_type": limit}))
        assert [each.expanded for each in chosen] == found

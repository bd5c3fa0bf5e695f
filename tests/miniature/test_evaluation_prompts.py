import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from miniature import evaluation_prompts
from miniature.conditions import SEGMENTS
from miniature.understanding import understand
from miniature.world import ACTIONS, Group, Scene, is_held_out
from pipeline import prompts
from pipeline.files import read_json
from tests.closure import ROOT

FILE = Path(__file__).parents[2] / "prompts" / "miniature.json"


@pytest.fixture(scope="module")
def made():
    return [prompt for _, prompt in evaluation_prompts.prompts()]


def test_the_committed_file_is_what_the_generator_writes(made):
    assert read_json(FILE) == made


def test_the_workflow_reads_the_file(made):
    assert len(prompts.read([FILE])) == len(made) == 180


def test_there_are_sixty_of_each_skill_and_a_third_is_unseen_wording(made):
    counts = Counter((prompt["type"], prompt["wording"]) for prompt in made)
    assert counts == {
        (skill, wording): number
        for skill in evaluation_prompts.SKILLS
        for wording, number in (("seen", 40), ("unseen", 20))
    }


def test_all_compositions_are_held_out_and_few_come_twice(made):
    meanings = [understand(prompt["text"]) for prompt in made]
    scenes = [
        Scene(tuple(Group(said.count, said.kind, said.colour, said.action) for said in meaning.groups), meaning.ground)
        for meaning in meanings
    ]
    assert all(is_held_out(scene) for scene in scenes)
    assert len(set(meanings)) > 0.9 * len(made)
    assert len({prompt["text"] for prompt in made}) == len(made)


def test_every_value_of_a_skill_is_asked_in_both_wordings(made):
    for start in (0, 60, 120):
        asked = {(prompt["atoms"][0]["answer"], prompt["wording"]) for prompt in made[start : start + 60]}
        answers = {answer for answer, _ in asked}
        assert len(asked) == 2 * len(answers)


def test_atoms_are_of_the_prompts_skill(made):
    assert all(atom["skill"] == prompt["type"] for prompt in made for atom in prompt["atoms"])
    assert all(prompt["atoms"] for prompt in made)


def test_the_first_third_of_each_skill_is_balanced(made):
    counting = [prompt["atoms"][0]["count"] for prompt in made[:20]]
    acting = [prompt["atoms"][0]["action"] for prompt in made[120:140]]
    assert set(Counter(counting).values()) <= {2, 3}
    assert set(Counter(acting)) == set(ACTIONS)
    assert set(Counter(acting).values()) <= {3, 4}


def test_the_command_writes_the_file(tmp_path, monkeypatch, made):
    target = tmp_path / "prompts.json"
    monkeypatch.setattr("sys.argv", ["evaluation_prompts", str(target)])
    evaluation_prompts.main()
    assert read_json(target) == made


def test_the_segments_beside_the_prompts_are_those_of_their_scenes(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["evaluation_prompts", str(tmp_path / "miniature.json")])
    evaluation_prompts.main()
    made, kept = tmp_path / "conditioning/miniature-seg", ROOT / "prompts/conditioning/miniature-seg"
    names = sorted(path.name for path in made.iterdir())
    assert names == sorted(path.name for path in kept.iterdir())
    assert all((made / name).read_bytes() == (kept / name).read_bytes() for name in names)
    for prompt in json.loads((tmp_path / "miniature.json").read_text())[:12]:
        with Image.open(made / f"{prompt['id']}.png") as picture:
            shades = {colour for _, colour in picture.convert("RGB").getcolors()}
        assert SEGMENTS[prompt["atoms"][0]["class"]] in shades

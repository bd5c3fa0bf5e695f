import random

import numpy as np
import pytest
import torch

from miniature import architectures, control_measures, measures, saving
from miniature.reading import Reading, Thing, read
from miniature.world import Group, Scene, draw, sample_held_out_scene


def _reading(*boxes):
    return Reading("black", 1.0, tuple(Thing("circle", None, "red", 1.0, box) for box in boxes))


LEFT, RIGHT = (0, 0, 10, 10), (30, 0, 40, 10)


def test_boxes_are_paired_whatever_their_order():
    assert control_measures.overlaps(_reading(LEFT, RIGHT), _reading(RIGHT, LEFT)).tolist() == [1, 1]


def test_an_overlap_is_intersection_over_union():
    assert control_measures.overlaps(_reading((0, 0, 10, 10)), _reading((5, 0, 15, 10))).tolist() == [
        pytest.approx(1 / 3)
    ]
    assert control_measures.overlaps(_reading(LEFT), _reading(RIGHT)).tolist() == [0]


def test_a_missing_and_a_superfluous_thing_count_as_no_overlap():
    for made, truth in ((_reading(LEFT), _reading(LEFT, RIGHT)), (_reading(LEFT, RIGHT), _reading(LEFT))):
        assert sorted(control_measures.overlaps(made, truth)) == [0, 1]
    assert control_measures.overlaps(_reading(), _reading(LEFT)).tolist() == [0]
    assert control_measures.overlaps(_reading(), _reading()).tolist() == []


def test_places_are_right_in_another_colour_and_wrong_for_another_layout():
    scenes = [Scene((Group(count, "square", "red"),), "black") for count in (1, 3)]
    drawn = [draw(scene, 1) for scene in scenes]
    blue = [draw(Scene((Group(scene.groups[0].count, "square", "blue"),), "black"), 1) for scene in scenes]
    assert control_measures.places(blue, drawn) == {"places_right": 1.0, "overlap": pytest.approx(1.0, abs=0.05)}
    found = control_measures.places(drawn[::-1], drawn)
    assert found["places_right"] == 0
    assert found["overlap"] < 0.5


def test_two_empty_pictures_agree():
    empty = [draw(Scene((Group(1, "circle", "red"),), "black"), 0).resize((1, 1)).resize((64, 64))]
    assert not read(empty[0]).things
    assert control_measures.places(empty, empty) == {"places_right": 1.0, "overlap": 1.0}


def test_a_controlnet_that_adds_nothing_makes_the_pictures_that_are_made_without_it(base):
    torch.manual_seed(0)
    parts, model = saving.load_diffusion(base), architectures.controlnet().eval()
    prompts = ["one red circle", "two blue stars"]
    shown = [draw(Scene((Group(1, "circle", "red"),), "black"), seed) for seed in (0, 1)]
    with_it = control_measures.generate(parts, model, prompts, shown, steps=2)
    without = measures.generate(parts, prompts, steps=2)
    assert [image.size for image in with_it] == [(64, 64)] * 2
    for one, other in zip(with_it, without, strict=True):
        assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).max() <= 1


def test_the_measure_asks_for_pictures_with_and_without_the_condition(monkeypatch):
    seen = {}

    def with_it(parts, model, prompts, shown, *, steps):
        seen.update(prompts=prompts, shown=shown, steps=steps)
        return drawn()

    def drawn():
        rng = random.Random(29)
        scenes = [sample_held_out_scene(rng) for _ in range(3)]
        return [draw(scene, rng.getrandbits(32)) for scene in scenes]

    def without(parts, prompts, *, steps):
        assert (prompts, steps) == (seen["prompts"], seen["steps"])
        return drawn()[::-1]

    monkeypatch.setattr(control_measures, "generate", with_it)
    monkeypatch.setattr(measures, "generate", without)
    found = control_measures.controlnet("edges", "model", {}, count=3, steps=4)
    assert (found["edges_places_right"], found["edges_all_right"], found["pictures"]) == (1.0, 1.0, 3.0)
    assert found["plain_places_right"] < 1
    assert len(seen["shown"]) == 3

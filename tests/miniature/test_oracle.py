import random

import numpy as np
import pytest
from PIL import Image

from miniature import oracle
from miniature.language import atoms
from miniature.world import Group, Scene, any_scene, draw
from pipeline.metrics import judging

CIRCLES = Scene((Group(3, "circle", "red"),), "blue")
RUNNERS = Scene((Group(2, "person", "green", "running"),), "white")
MIXED = Scene((Group(2, "circle", "red"), Group(1, "star", "white")), "black")


def _verdicts(shown, asked):
    return [verdict["verdict"] for verdict in oracle.judge(draw(shown, 1), atoms(asked))]


def test_drawn_pictures_are_read_back_exactly():
    rng = random.Random(9)
    for _ in range(60):
        scene = any_scene(rng)
        reading = oracle.read(draw(scene, rng.getrandbits(32)))
        assert reading.ground == scene.ground
        assert reading.counts() == {(g.kind, g.colour, g.action): g.count for g in scene.groups}


@pytest.mark.parametrize("scene", [CIRCLES, RUNNERS, MIXED])
def test_every_atom_of_a_drawn_scene_holds(scene):
    assert all(_verdicts(scene, scene))


def test_a_wrong_number_fails_counting_only():
    four = Scene((Group(4, "circle", "red"),), "blue")
    assert _verdicts(four, CIRCLES) == [False, True, True]


def test_a_wrong_colour_fails_colour_only():
    pink = Scene((Group(3, "circle", "pink"),), "blue")
    assert _verdicts(pink, CIRCLES) == [True, False, True]


def test_a_wrong_ground_fails_the_ground_only():
    grey = Scene((Group(3, "circle", "red"),), "grey")
    assert _verdicts(grey, CIRCLES) == [True, True, False]


def test_a_wrong_action_fails_action_only():
    lying = Scene((Group(2, "person", "green", "lying"),), "white")
    assert _verdicts(lying, RUNNERS) == [True, True, False, True]


def test_a_badly_drawn_kind_fails_neither_counting_nor_colour_where_one_class_is_asked():
    squares = Scene((Group(3, "square", "red"),), "blue")
    assert _verdicts(squares, CIRCLES) == [True, True, True]


def test_kinds_are_told_apart_where_two_classes_are_asked():
    swapped = Scene((Group(2, "star", "red"), Group(1, "circle", "white")), "black")
    assert _verdicts(swapped, MIXED) == [False, False, False, False, True]


def test_things_of_other_colours_lower_the_probability_of_the_colour():
    scene = Scene((Group(1, "circle", "red"), Group(3, "circle", "yellow")), "blue")
    verdict = oracle.judge(draw(scene, 1), atoms(CIRCLES))[1]
    assert verdict["p"] == pytest.approx(0.25)
    assert not verdict["verdict"]
    assert verdict["reason"] == "red, yellow found"


def test_an_empty_picture_has_nothing_of_what_is_asked():
    empty = Image.new("RGB", (64, 64), (30, 75, 215))
    verdicts = oracle.judge(empty, atoms(RUNNERS))
    assert [verdict["verdict"] for verdict in verdicts] == [False] * 4
    assert "nothing found" in verdicts[1]["reason"]


def test_probabilities_stay_in_range_and_decide_the_verdict():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for scene in (CIRCLES, RUNNERS, MIXED):
        for verdict in oracle.judge(Image.fromarray(noise), atoms(scene)):
            assert 0 <= verdict["p"] <= 1
            assert verdict["verdict"] == (verdict["p"] >= 0.5)


def test_a_picture_of_another_size_is_read_too():
    assert len(oracle.read(draw(CIRCLES, 2, side_px=128)).things) == 3


def test_the_evaluation_finds_verdicts_and_quality_in_the_oracle():
    found, image = judging.load("miniature.oracle"), draw(CIRCLES, 1)
    assert [row["verdict"] for row in judging.judge_image(found, "x/00/base", image, atoms(CIRCLES))] == [True] * 3
    assert judging.rate_image(found, "x/00/base", image) > 0.9

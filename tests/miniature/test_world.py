import random

import numpy as np
import pytest

from miniature import silhouettes, world
from miniature.reading import read
from miniature.world import Group, Scene


def _scene(**changes):
    group = {"count": 3, "kind": "circle", "colour": "red", "action": None} | changes
    return Scene((Group(**group),), "blue")


def test_the_same_seed_draws_the_same_pixels_and_another_does_not():
    first, again, other = (np.asarray(world.draw(_scene(), seed)) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_picture_is_rgb_of_the_side_that_was_asked_for():
    picture = world.draw(_scene(), 0, side_px=96)
    assert (picture.mode, picture.size) == ("RGB", (96, 96))


def test_the_cartoon_style_puts_a_dark_line_around_things():
    flat, cartoon = (np.asarray(world.draw(_scene(), 3, style=style)).min(axis=2) for style in ("flat", "cartoon"))
    assert (cartoon < 45).sum() > (flat < 25).sum() + 50


@pytest.mark.parametrize("count", range(1, world.MAX_COUNT + 1))
@pytest.mark.parametrize("kind", world.SHAPES)
def test_objects_never_touch(count, kind):
    for seed in range(5):
        assert len(read(world.draw(_scene(count=count, kind=kind), seed)).things) == count


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 8},
        {"count": 0},
        {"kind": "cube"},
        {"colour": "grey"},
        {"action": "running"},
        {"kind": "person"},
        {"kind": "person", "action": "flying"},
        {"kind": "person", "action": "running", "count": 4},
    ],
)
def test_a_group_outside_the_world_is_refused(changes):
    with pytest.raises(ValueError, match=r"count|kind|action"):
        _scene(**changes)


@pytest.mark.parametrize(
    ("groups", "ground"),
    [
        ([("circle", "red")], "purple"),
        ([("circle", "blue")], "blue"),
        ([], "blue"),
        ([("circle", "red"), ("star", "red")], "blue"),
        ([("circle", "red"), ("star", "pink"), ("heart", "green")], "blue"),
    ],
)
def test_a_scene_that_cannot_be_told_apart_is_refused(groups, ground):
    with pytest.raises(ValueError, match=r"ground|group"):
        Scene(tuple(Group(1, kind, colour) for kind, colour in groups), ground)


def test_two_groups_hold_few_shapes_and_no_people():
    star = Group(1, "star", "green")
    for other in (Group(4, "circle", "red"), Group(1, "person", "red", "lying")):
        with pytest.raises(ValueError, match="two groups"):
            Scene((star, other), "white")


def test_held_out_compositions_are_one_in_eight_and_never_sampled_for_training():
    rng = random.Random(0)
    held_out = [world.is_held_out(world.any_scene(rng)) for _ in range(2000)]
    assert 0.09 < np.mean(held_out) < 0.16
    assert not any(world.is_held_out(world.sample_scene(rng)) for _ in range(500))
    assert all(world.is_held_out(world.sample_held_out_scene(rng)) for _ in range(50))


def test_the_split_does_not_depend_on_the_order_of_groups():
    rng = random.Random(1)
    pairs = [scene for scene in (world.any_scene(rng) for _ in range(300)) if len(scene.groups) == 2]
    assert pairs
    for scene in pairs:
        assert world.composition(scene) == world.composition(Scene(scene.groups[::-1], scene.ground))


def test_sampling_reaches_every_kind_colour_action_ground_and_count():
    rng = random.Random(2)
    scenes = [world.sample_scene(rng) for _ in range(1500)]
    groups = [group for scene in scenes for group in scene.groups]
    assert {group.kind for group in groups} == set(world.KINDS)
    assert {group.colour for group in groups} == set(world.OBJECT_COLOURS)
    assert {group.action for group in groups} == {None, *world.ACTIONS}
    assert {group.count for group in groups} == set(range(1, 8))
    assert {scene.ground for scene in scenes} == set(world.GROUND_COLOURS)


def test_a_silhouette_keeps_its_proportions_in_any_room():
    for room in ((1.0, 1.0), (0.2, 0.9)):
        width, height = silhouettes.fitted_size("person", "lying", *room)
        left, top, right, bottom = silhouettes.bounds("person", "lying")
        assert width / height == pytest.approx((right - left) / (bottom - top))
        assert width <= room[0] + 1e-9
        assert height <= room[1] + 1e-9

import hashlib
import random

import numpy as np
import pytest
from scipy import ndimage

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


@pytest.mark.parametrize("kind", world.KINDS)
def test_a_cartoon_has_an_unbroken_dark_line_between_a_thing_and_its_ground(kind):
    action = "jumping" if kind == "person" else None
    scene = Scene((Group(1, kind, "yellow", action),), "blue")
    pixels = np.asarray(world.draw(scene, 3, style="cartoon")).astype(int)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    thing = (red > 200) & (blue < 120)
    reached = ndimage.binary_propagation(thing, mask=pixels.max(-1) > 120, structure=np.ones((3, 3)))
    assert thing.sum() > 100
    assert not (reached & (green < 160) & (blue > 200)).any()


def test_both_styles_put_the_same_objects_at_the_same_places():
    rng = random.Random(5)
    for seed in range(20):
        scene = world.any_scene(rng)
        flat, cartoon = (world.arrange(scene, seed, style=style) for style in ("flat", "cartoon"))
        assert flat[1] == cartoon[1]
        assert flat[0] != cartoon[0]
        assert sorted(thing.group.colour for thing in flat[1]) == sorted(
            group.colour for group in scene.groups for _ in range(group.count)
        )


def test_a_cartoons_ground_is_nearest_to_the_colour_of_its_name_and_differs_from_the_flat_one():
    for name, cartoon in world.CARTOON_GROUNDS.items():
        distances = {
            other: np.linalg.norm(np.subtract(cartoon, world.COLOURS[other])) for other in world.GROUND_COLOURS
        }
        assert min(distances, key=distances.__getitem__) == name
        assert distances[name] > 15
    assert set(world.CARTOON_GROUNDS) == set(world.GROUND_COLOURS)


def test_what_the_flat_style_draws_never_changes():
    """Every committed model learned from these pixels, and checkpoints of unfinished trainings go on with them."""
    rng, digest = random.Random(0), hashlib.sha256()
    for seed in range(400):
        digest.update(world.draw(world.any_scene(rng), seed).tobytes())
    assert digest.hexdigest() == "93a21ae96bd1c62199c44ed1d431e2c06d2d93520bd73948cb5d1b1c70abbc83"


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

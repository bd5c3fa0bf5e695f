import random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from miniature import world
from miniature.reading import read
from miniature.world import Group, Scene


def _said(scene):
    return {(group.kind, group.colour, group.action): group.count for group in scene.groups}


def _scenes(count, seed=7):
    rng = random.Random(seed)
    return [(world.sample_held_out_scene(rng), rng.getrandbits(32)) for _ in range(count)]


@pytest.mark.parametrize("style", ["flat", "cartoon"])
def test_drawings_of_both_styles_are_read_without_a_fault(style):
    for scene, seed in _scenes(150):
        reading = read(world.draw(scene, seed, style=style))
        assert (reading.ground, reading.counts()) == (scene.ground, _said(scene))


@pytest.mark.parametrize("style", ["flat", "cartoon"])
def test_slightly_soft_and_noisy_drawings_are_read_too(style):
    noise = np.random.default_rng(0)
    right = []
    for scene, seed in _scenes(60):
        soft = np.asarray(world.draw(scene, seed, style=style).filter(ImageFilter.GaussianBlur(0.5)))
        image = Image.fromarray((soft + noise.normal(0, 6, soft.shape)).clip(0, 255).astype(np.uint8))
        right.append(read(image).counts() == _said(scene))
    assert np.mean(right) >= 0.95


def test_the_outline_counts_to_a_things_place_and_not_to_its_colour():
    scene = Scene((Group(1, "circle", "pink"),), "white")
    flat, cartoon = (read(world.draw(scene, 4, style=style)).things[0] for style in ("flat", "cartoon"))
    assert flat.colour == cartoon.colour == "pink"
    assert np.abs(np.subtract(flat.box, cartoon.box)).max() <= 1


def test_a_few_dark_pixels_make_no_outline():
    picture = world.draw(Scene((Group(1, "square", "orange"),), "yellow"), 1)
    before = read(picture)
    dotted = picture.copy()
    for x in range(20, 44, 6):
        dotted.putpixel((x, 30), (0, 0, 0))
    assert read(dotted).counts() == before.counts()


def test_a_thing_of_nothing_but_ink_is_still_a_thing():
    picture = Image.new("RGB", (64, 64), (255, 255, 255))
    ImageDraw.Draw(picture).rectangle((20, 20, 40, 40), fill=world.INK)
    reading = read(picture)
    assert [(thing.kind, thing.box) for thing in reading.things] == [("square", (20, 20, 41, 41))]


def test_an_outline_around_the_grounds_own_colour_is_read_by_its_form():
    picture = Image.new("RGB", (64, 64), (255, 255, 255))
    ImageDraw.Draw(picture).rectangle((16, 16, 47, 47), outline=world.INK, width=2)
    assert [(thing.kind, thing.box) for thing in read(picture).things] == [("square", (16, 16, 48, 48))]


def test_a_thing_too_thin_to_have_an_inside_still_has_its_colour():
    thin = Image.new("RGB", (64, 64), (255, 255, 255))
    ImageDraw.Draw(thin).rectangle((16, 16, 18, 47), fill=(250, 130, 10), outline=world.INK)
    assert [thing.colour for thing in read(thin).things] == ["orange"]

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from miniature import conditions
from miniature.world import COLOURS, KINDS, Group, Scene, draw

PAIR = Scene((Group(2, "star", "red"), Group(1, "circle", "white")), "grey")


def _white(picture):
    pixels = np.asarray(picture)
    assert pixels.shape == (64, 64, 3)
    assert set(np.unique(pixels)) <= {0, 255}
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0] == 255


def test_edges_are_closed_thin_lines_around_each_thing():
    round_things = Scene((Group(2, "heart", "red"), Group(1, "circle", "white")), "grey")
    found = _white(conditions.edges(draw(round_things, 3)))
    assert ndimage.label(found, structure=np.ones((3, 3)))[1] == 3
    assert ndimage.label(~found)[1] == 4
    assert 0.02 < found.mean() < 0.12
    assert not ndimage.binary_erosion(found, structure=np.ones((3, 3))).any()


def test_edges_lie_where_the_segments_end():
    found = _white(conditions.edges(draw(PAIR, 3)))
    things = np.asarray(conditions.segments(PAIR, 3)).any(-1)
    rim = ndimage.binary_dilation(things, iterations=2) & ~ndimage.binary_erosion(things, iterations=2)
    assert found[rim].sum() == found.sum()


@pytest.mark.parametrize("ground", ["yellow", "green"])
def test_colours_of_like_brightness_have_edges_too(ground):
    picture = np.empty((64, 64, 3), dtype=np.uint8)
    picture[:, :32], picture[:, 32:] = COLOURS[ground], COLOURS["orange"]
    found = _white(conditions.edges(Image.fromarray(picture)))
    assert found.sum() == 64
    assert found[:, 31:33].sum() == 64


def test_a_faint_line_counts_only_where_it_goes_on_to_a_strong_one():
    picture = np.zeros((64, 64), dtype=np.uint8)
    picture[8:32, 20:] = 40
    picture[32:56, 20:] = np.linspace(40, 200, 24).astype(np.uint8)[:, None]
    picture[8:32, 40:] = 0
    faint = np.zeros((64, 64), dtype=np.uint8)
    faint[8:32, 20:] = 40
    joined, alone = (_white(conditions.edges(Image.fromarray(values))) for values in (picture, faint))
    assert joined[12:28, 19:21].any()
    assert not alone.any()


def test_an_even_picture_has_no_edge():
    assert not _white(conditions.edges(Image.new("RGB", (64, 64), (200, 10, 10)))).any()


def test_edges_of_a_picture_of_another_size_keep_its_size():
    assert conditions.edges(draw(PAIR, 3, side_px=96)).size == (96, 96)


def test_segments_show_each_thing_in_the_colour_of_its_class_only():
    pixels = np.asarray(conditions.segments(PAIR, 3)).reshape(-1, 3)
    colours = {tuple(map(int, colour)) for colour in np.unique(pixels, axis=0)}
    assert colours == {(0, 0, 0), conditions.SEGMENTS["star"], conditions.SEGMENTS["circle"]}
    assert set(conditions.SEGMENTS) == set(KINDS)
    assert len(set(conditions.SEGMENTS.values())) == len(KINDS)


def test_segments_cover_what_the_drawing_shows():
    scene = Scene((Group(1, "person", "green", "running"),), "white")
    drawn = np.abs(np.asarray(draw(scene, 9)).astype(int) - 255).sum(-1) > 200
    things = np.asarray(conditions.segments(scene, 9)).any(-1)
    assert (drawn & things).sum() / (drawn | things).sum() > 0.9
    assert conditions.segments(scene, 9, side_px=32).size == (32, 32)


def test_each_kind_of_condition_belongs_to_the_drawing_of_that_seed():
    for kind, wanted in (("edges", conditions.edges(draw(PAIR, 5))), ("segments", conditions.segments(PAIR, 5))):
        assert conditions.of_drawing(kind, PAIR, 5).tobytes() == wanted.tobytes()

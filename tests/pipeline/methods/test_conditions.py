import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.methods import conditions
from pipeline.methods.settings import CannyParams
from tests.pipeline.methods import tiny_controlnet


def picture(colour, size=(8, 8)):
    return Image.new("RGB", size, colour)


def canny(**changes):
    return CannyParams(**tiny_controlnet.canny(**changes))


def test_a_prompts_files_are_one_or_a_folder_of_them_in_turn(tmp_path):
    picture("red").save(tmp_path / "one.png")
    (tmp_path / "many").mkdir()
    for name, colour in (("b", "blue"), ("a", "green")):
        picture(colour).save(tmp_path / "many" / f"{name}.png")
    one, many = tmp_path / "one.png", [tmp_path / "many" / f"{name}.png" for name in "ab"]
    assert conditions.files(tmp_path, "one") == [one]
    assert conditions.files(tmp_path, "many") == many
    assert [conditions.read(tmp_path, "many", index) for index in range(3)] == [
        many[index].read_bytes() for index in (0, 1, 0)
    ]


def test_a_prompt_without_a_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"no picture for 2 of the prompts: put x\.png .* there"):
        conditions.require(tmp_path, ["x", "y"])
    with pytest.raises(InputError, match="x"):
        conditions.read(tmp_path, "x", 0)


def test_pictures_are_cut_around_the_centre_and_segments_are_not_blended():
    wide = picture("red", (32, 16))
    wide.paste("blue", (16, 0, 32, 16))
    assert conditions.fitted(wide, (8, 8)).size == (8, 8)
    shades = np.unique(np.asarray(conditions.fitted(wide, (5, 5), exact=True)).reshape(-1, 3), axis=0)
    assert shades.tolist() == [[0, 0, 255], [255, 0, 0]]


def test_edges_are_lines_of_one_pixel_where_colours_meet():
    drawn = picture("black", (32, 32))
    drawn.paste((0, 160, 0), (8, 8, 24, 24))
    found = np.asarray(conditions.edges(drawn, canny()))
    assert found.shape == (32, 32, 3)
    assert set(np.unique(found)) == {0, 255}
    assert (found[16, :, 0] > 0).sum() == 2
    assert not found[16, 12:20].any()


def test_a_blur_before_takes_small_noise_away():
    noise = np.random.default_rng(0).integers(100, 156, (32, 32, 3)).astype(np.uint8)
    sharp, soft = (conditions.edges(Image.fromarray(noise), canny(blur_px=blur)) for blur in (0.0, 3.0))
    assert np.asarray(soft).sum() < np.asarray(sharp).sum()

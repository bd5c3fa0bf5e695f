from dataclasses import replace

from PIL import Image, ImageOps

from pipeline import sample_grids, shots
from pipeline.sampling import png
from tests.pipeline.methods import tiny_controlnet
from tests.pipeline.test_shots import config, prompt

COLOURS = {"base": "red", "adapted": "blue", "complex": "lime", "expanded": "yellow", "condition": "black"}


def pictures(wanted, column="image"):
    return [
        png(Image.new("RGB", (8, 8), COLOURS["condition" if column == "condition" else shot.arm])) for shot in wanted
    ]


def drawn(methods, **changes):
    planned = shots.plan([prompt("a"), prompt("b", complex_=None)], config(methods=methods, **changes))
    return sample_grids.draw(["a", "b"], planned, pictures).convert("RGB")


def colours(sheet, columns, row):
    """What lies in a row of tiles, by a place near the upper left corner of each."""
    return [sheet.getpixel((8 + column * 168 + 20, 8 + row * 266 + 20)) for column in range(columns)]


RED, BLUE, LIME, BLACK, WHITE = (255, 0, 0), (0, 0, 255), (0, 255, 0), (0, 0, 0), (255, 255, 255)


def test_plain_sampling_has_two_prompts_a_line():
    sheet = drawn(["none"])
    assert sheet.width == 6 * 168 + 8
    assert colours(sheet, 6, 0) == [RED, BLUE, LIME, RED, BLUE, WHITE]


def test_a_line_begins_with_its_methods_name_where_nothing_was_shown():
    sheet = drawn(["sag", "none"])
    sag, none = (sheet.crop((8, top, 168, top + 160)) for top in (8 + 266, 8))
    for tile in (sag, none):
        left, top, right, bottom = ImageOps.invert(tile.convert("L")).getbbox()
        assert 60 <= (left + right) / 2 <= 100
        assert 60 <= (top + bottom) / 2 <= 100
    assert sag.tobytes() != none.tobytes()


def test_methods_have_a_line_each_with_what_the_model_was_shown():
    nets = {"canny": tiny_controlnet.canny(), "seg": None}
    sheet = drawn(["sag", "canny", "none"], controlnets=nets)
    assert sheet.width == 4 * 168 + 8
    assert [colours(sheet, 4, row) for row in range(4)] == [
        [WHITE, RED, BLUE, LIME],
        [BLACK, RED, BLUE, WHITE],
        [WHITE, RED, BLUE, WHITE],
        [WHITE, RED, BLUE, WHITE],
    ]


def test_a_long_prompt_is_read_to_its_end():
    heights = []
    for words in (8, 40):
        shown = [prompt("a", complex_=" ".join(f"word{number:02}" for number in range(words)))]
        sheet = sample_grids.draw(["a"], shots.plan(shown, config(methods=["none"])), pictures).convert("L")
        below = [y for y in range(168, 274) if min(sheet.crop((344, y, 504, y + 1)).tobytes()) < 128]
        heights.append(len(below) and below[-1] - below[0])
    assert heights[0] < 40
    assert 70 < heights[1] < 106


def test_arms_keep_their_columns_where_a_prompt_lacks_one():
    given = {"reference_arms": ["complex", "expanded"], "expanded": "prompts/llm.json"}
    chosen = [prompt("a", complex_=None), prompt("b"), replace(prompt("c"), expanded="two squares")]
    sheet = sample_grids.draw(["a", "b", "c"], shots.plan(chosen, config(**given)), pictures).convert("RGB")
    assert sheet.width == 8 * 168 + 8
    assert colours(sheet, 8, 0) == [RED, BLUE, WHITE, WHITE, RED, BLUE, LIME, WHITE]
    assert colours(sheet, 4, 1) == [RED, BLUE, LIME, (255, 255, 0)]

import io

import pyarrow as pa
from PIL import Image

from pipeline import sheets
from tests.pipeline.frozen_models import picture


def encoded(colour):
    stream = io.BytesIO()
    picture(colour).save(stream, "PNG")
    return stream.getvalue()


def test_the_same_rows_are_picked_in_their_order():
    table = pa.table({"n": list(range(100))})
    picked = sheets.pick(table, 10).column("n").to_pylist()
    assert picked == sorted(picked)
    assert len(set(picked)) == 10
    assert picked == sheets.pick(table, 10).column("n").to_pylist()
    assert picked != sheets.pick(table, 10, seed=1).column("n").to_pylist()


def test_a_small_table_is_picked_whole():
    assert sheets.pick(pa.table({"n": [3, 1]}), 10).column("n").to_pylist() == [3, 1]


def test_places_are_those_of_the_picked_rows():
    table = pa.table({"n": list(range(100))})
    assert sheets.places(100, 10, seed=3) == sheets.pick(table, 10, seed=3).column("n").to_pylist()
    assert sheets.places(2, 10) == [0, 1]


def test_a_sheet_shows_the_pictures(tmp_path):
    sheets.save(tmp_path / "sheet.png", [encoded("red"), encoded("blue")], ["one", "two"])
    with Image.open(tmp_path / "sheet.png") as sheet:
        colours = {colour for _, colour in sheet.getcolors(1 << 20)}
    assert {(255, 0, 0), (0, 0, 255)} <= colours

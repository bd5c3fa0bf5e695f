from pipeline import tables
from pipeline.files import read_json
from stages.describe import PROMPTS, describe


def run(tmp_path):
    rows = [
        {"simple_prompt": "two red circles", "complex_prompt": "masterpiece, " + "red circle " * n} for n in (1, 2, 200)
    ]
    tables.write_shards([tables.from_rows(rows, PROMPTS)], tmp_path / "parts", PROMPTS, rows=2)
    describe(tmp_path / "parts", tmp_path / "out")
    return tmp_path / "out"


def test_the_four_parts_of_the_figure_are_drawn(tmp_path):
    out = run(tmp_path)
    for name in ("lengths_complex", "lengths_simple", "nouns", "cloud"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name


def test_the_numbers_behind_it_are_told(tmp_path):
    out = run(tmp_path)
    assert (out / "lengths.csv").read_text().splitlines() == [
        "words,simple_prompts,complex_prompts",
        "3,3,1",
        "5,0,1",
        "300,0,1",
    ]
    report = read_json(out / "report.json")
    assert (report["in"], report["out"]) == (3, 3)
    assert report["words_complex"]["greatest"] == 401
    assert report["words_complex"]["longer_than_300"] == 1
    assert next(iter(report["nouns"])) == "circle"


def test_the_same_input_gives_the_same_bytes(tmp_path):
    first = {path.name: path.read_bytes() for path in run(tmp_path).iterdir()}
    assert first == {path.name: path.read_bytes() for path in run(tmp_path).iterdir()}

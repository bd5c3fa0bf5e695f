import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline import files, tables
from pipeline.errors import InputError
from pipeline.show import listing
from pipeline.tables import IMAGE, column

SHAPE = tables.schema(
    column("sample_id", pa.string(), "key"),
    column("vector", pa.list_(pa.float32()), "numbers"),
    column("image", IMAGE, "picture"),
)


@pytest.fixture
def data(tmp_path):
    row = {"sample_id": "lexica:1", "vector": [0.5] * 9, "image": {"bytes": b"picture", "path": None}}
    tables.write(tables.from_rows([row], SHAPE), tmp_path / "data" / "clean" / "samples.parquet", SHAPE)
    pa.parquet.write_table(pa.table({"x": [1]}), tmp_path / "data" / "clean" / "other.parquet")
    files.write_json(tmp_path / "data" / "clean" / "report.json", {"in": 3, "dropped": {"small": 2}})
    files.write_json(tmp_path / "data" / "clean" / "lexica" / "report.json", {"in": 1})
    files.write_bytes(tmp_path / "data" / "clean" / "funnel.png", b"x")
    files.write_bytes(tmp_path / "data" / "clean" / "notes.txt", b"x" * 1500)
    files.write_bytes(tmp_path / "data" / "clean" / ".gitignore", b"x")
    return tmp_path / "data"


def test_a_stage_shows_figures_tables_and_pictures(data):
    text = listing.stage("clean", data)
    for line in (
        "  in = 3",
        "  dropped.small = 2",
        "  lexica: in = 1",
        "  samples.parquet  1 rows: sample_id, vector, image",
        "  funnel.png  open it to look",
        "  notes.txt  1.5 kB",
    ):
        assert line in text.splitlines()
    assert ".gitignore" not in text


def test_a_sample_shows_all_its_values_and_its_picture(data, tmp_path):
    text = listing.sample("clean", "lexica:1", tmp_path / "show", data)
    assert "9 numbers, first [0.5, 0.5, 0.5, 0.5]" in text
    assert (tmp_path / "show" / "lexica_1.png").read_bytes() == b"picture"


def test_an_unknown_stage_or_sample_is_told(data, tmp_path):
    with pytest.raises(InputError, match="name one of: clean"):
        listing.stage("cleaned", data)
    with pytest.raises(InputError, match="none has run yet"):
        listing.stage("clean", tmp_path / "nothing")
    with pytest.raises(InputError, match="has no sample x"):
        listing.sample("clean", "x", tmp_path, data)

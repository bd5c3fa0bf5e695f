import pyarrow as pa
import pytest

from pipeline import samples, tables
from pipeline.errors import EmptyResultError, InputError
from pipeline.files import read_json
from pipeline.tables import IMAGE, column

PARTS = tables.schema(column("sample_id", pa.string(), ""), column("image", IMAGE, ""))


@pytest.fixture
def parts(tmp_path):
    rows = [{"sample_id": f"s{index}", "image": {"bytes": bytes([index]), "path": None}} for index in range(4)]
    tables.write_shards([tables.from_rows(rows, PARTS)], tmp_path / "parts", PARTS, rows=2)
    return tmp_path / "parts"


def wanted(*pairs):
    return pa.table({"sample_id": [pair[0] for pair in pairs], "part": [pair[1] for pair in pairs]})


def test_images_are_found_in_their_shards(parts):
    rows = wanted(("s3", "part-00001.parquet"), ("s0", "part-00000.parquet"))
    assert samples.read_images(parts, rows) == {"s0": b"\0", "s3": b"\3"}


def test_a_missing_image_is_told(parts):
    with pytest.raises(InputError, match="lacks 1 pictures, first s9"):
        samples.read_images(parts, wanted(("s9", "part-00000.parquet"), ("s0", "part-00000.parquet")))


def test_dropped_rows_are_written_and_counted(tmp_path):
    table = pa.table({"sample_id": ["a", "b", "c"], "drop_reason": ["small", None, "small"], "x": [1, 2, 3]})
    assert samples.drop(table, tmp_path / "dropped.parquet") == {"small": 2}
    assert tables.read(tmp_path / "dropped.parquet", tables.DROPPED).column("sample_id").to_pylist() == ["a", "c"]


def test_a_report_counts_rows(tmp_path):
    samples.write_report(tmp_path / "report.json", 3, 1, {"small": 2}, extra=1.5)
    assert read_json(tmp_path / "report.json") == {"in": 3, "out": 1, "dropped": {"small": 2}, "extra": 1.5}


def test_nothing_left_is_an_error_with_its_reason():
    assert samples.require_rows(pa.table({"a": [1]}), "why").num_rows == 1
    with pytest.raises(EmptyResultError, match="why"):
        samples.require_rows(pa.table({"a": []}), "why")


def test_later_tables_extend_earlier_ones():
    for earlier, later in [
        (samples.SAMPLES, samples.CAPTIONS),
        (samples.CAPTIONS, samples.SCORES),
        (samples.CAPTIONS, samples.VERDICTS),
        (samples.CAPTIONS, samples.SURD),
    ]:
        assert later.names[: len(earlier.names)] == earlier.names

import json

import pyarrow.parquet as pq
import pytest

from pipeline import tables
from pipeline.errors import EmptyResultError, InputError
from pipeline.files import read_json, write_json
from pipeline.images import ImageParams, decode
from pipeline.samples import SURD, VERDICTS
from stages import resize as stage
from stages.resize import resize
from tests.stages import pairs

PNG = ImageParams(side_px=32, resize="centre_crop", format="png", quality=95)


def reviewed(path, numbers, *, kept=lambda number: True):
    rows = [
        pairs.sample(number)
        | {"simple_prompt": f"circle {number}", "review_key": str(number), "verdict": "unreviewed", "reviewers": 0}
        | {"kept": kept(number), "drop_reason": None if kept(number) else "rejected"}
        for number in numbers
    ]
    tables.write(tables.from_rows(rows, VERDICTS), path, VERDICTS)
    return path


def reports(tmp_path):
    path = tmp_path / "clean" / "report.json"
    write_json(path, {"in": 300, "out": 260, "dropped": {"near_duplicate": 40}})
    return [path]


def run(tmp_path, config=PNG, count=6, **options):
    source = reviewed(tmp_path / "verdicts.parquet", range(count), **options)
    parts = pairs.download(tmp_path / "download", range(count))
    told = {"cleaned": cleaned(tmp_path, range(count)), "reports": reports(tmp_path)}
    resize(source, parts, tmp_path / "out", config, **told)
    return tmp_path / "out"


def cleaned(tmp_path, numbers):
    more = {"licence_url": "https://example.org/terms", "access_basis": "public API"}
    rows = [{name: ({**pairs.sample(n), **more})[name] for name in stage.ORIGINS.names} for n in numbers]
    tables.write(tables.from_rows(rows, stage.ORIGINS), tmp_path / "samples.parquet", stage.ORIGINS)
    return tmp_path / "samples.parquet"


def test_kept_samples_become_squares_of_one_size(tmp_path):
    out = run(tmp_path, kept=lambda number: number != 3)
    table = tables.read_shards(out / "parts", SURD)
    rows = table.to_pylist()
    assert [row["sample_id"] for row in rows] == sorted(pairs.sample(n)["sample_id"] for n in (0, 1, 2, 4, 5))
    for row in rows:
        assert decode(row["image"]["bytes"]).size == (32, 32)
        assert row["crop_box"] == [0, 0, 24, 24]
    assert rows[0]["image"]["path"] == "civitai-001.png"
    report = read_json(out / "report.json")
    assert (report["in"], report["out"], report["dropped"]) == (5, 5, {})
    assert report["enlarged"] == 5


def test_a_smaller_side_enlarges_nothing(tmp_path):
    assert read_json(run(tmp_path, PNG.model_copy(update={"side_px": 16})) / "report.json")["enlarged"] == 0


def test_shards_carry_the_features_of_hugging_face(tmp_path):
    metadata = pq.read_schema(run(tmp_path) / "parts" / "part-00000.parquet").metadata
    assert json.loads(metadata[b"huggingface"])["info"]["features"]["image"] == {"_type": "Image"}


def test_the_card_counts_what_is_there(tmp_path):
    text = (run(tmp_path) / "README.md").read_text()
    assert "| civitai | as stated by the author | 3 |" in text
    assert "| clean | 300 | 260 | near_duplicate 40 |" in text
    licences = (tmp_path / "out" / "LICENSE.md").read_text()
    assert "| lexica | CC0 | https://example.org/terms | public API | 3 |" in licences


def test_many_samples_go_through_in_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "ROWS_A_STEP", 4)
    assert tables.read_shards(run(tmp_path, count=10) / "parts", SURD).num_rows == 10


def test_the_same_input_gives_the_same_bytes(tmp_path):
    first = {path: path.read_bytes() for path in run(tmp_path).rglob("*") if path.is_file()}
    assert first == {path: path.read_bytes() for path in run(tmp_path).rglob("*") if path.is_file()}


def test_nothing_kept_says_where_to_look(tmp_path):
    with pytest.raises(EmptyResultError, match="no sample is kept, see reviews/triplets"):
        run(tmp_path, kept=lambda number: False)


def test_a_missing_report_is_told(tmp_path):
    source = reviewed(tmp_path / "verdicts.parquet", range(2))
    parts = pairs.download(tmp_path / "download", range(2))
    with pytest.raises(InputError, match=r"report.json is missing"):
        resize(
            source,
            parts,
            tmp_path / "out",
            PNG,
            cleaned=cleaned(tmp_path, range(2)),
            reports=[tmp_path / "clean/report.json"],
        )

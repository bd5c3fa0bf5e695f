import pytest

from miniature.truth import inputs
from pipeline import tables
from pipeline.errors import InputError
from pipeline.samples import CAPTIONS, SAMPLES
from tests.miniature.truth import made


def test_every_record_that_was_met_has_its_fate(tmp_path):
    found = inputs.read(made.write(tmp_path), made.SITES)
    fates = {found.truth[name]["fault"]: reason for name, reason in found.fates.items()}
    assert fates == {
        None: None,
        "wrong_prompt": None,
        "tiny": "too_small",
        "missing": "not_found",
        "no_prompt": "no_prompt",
    }
    assert len(found.fates) == 14
    assert len(found.captions) == len(found.scores) == 11


@pytest.mark.parametrize(
    "path",
    [
        "scrape/lexica/records.parquet",
        "clean/samples.parquet",
        "caption/captions.parquet",
        "clip_filter/scores.parquet",
    ],
)
def test_a_missing_table_is_told_in_one_line(tmp_path, path):
    (made.write(tmp_path) / path).unlink()
    with pytest.raises(InputError, match=rf"{path} is missing: run dvc repro first$"):
        inputs.read(tmp_path, made.SITES)


def test_records_of_another_edition_are_refused(tmp_path):
    made.write(tmp_path, address="{}?old")
    with pytest.raises(InputError, match=r"13 records that the miniature's sites do not have.*run dvc repro first"):
        inputs.read(tmp_path, made.SITES)


def test_a_record_without_a_fate_is_refused(tmp_path):
    path = made.write(tmp_path) / "clean" / "samples.parquet"
    tables.write(tables.read(path, SAMPLES).slice(1), path, SAMPLES)
    with pytest.raises(InputError, match="do not belong together"):
        inputs.read(tmp_path, made.SITES)


def test_a_caption_of_a_dropped_record_is_refused(tmp_path):
    path = made.write(tmp_path) / "caption" / "captions.parquet"
    rows = tables.read(path, CAPTIONS).to_pylist()
    rows[0]["sample_id"] = made.of("tiny", 1)[0].sample_id
    tables.write(tables.from_rows(rows, CAPTIONS), path, CAPTIONS)
    with pytest.raises(InputError, match="do not belong together"):
        inputs.read(tmp_path, made.SITES)

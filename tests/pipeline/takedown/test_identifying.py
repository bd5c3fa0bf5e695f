import hashlib
import os
import tracemalloc
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import params, tables
from pipeline.cleaning import CleanParams
from pipeline.images import ImageParams
from pipeline.picture_store import STORED, Picture
from pipeline.sources.record import RECORDS
from pipeline.takedown import identifying
from pipeline.takedown.identifying import Sources
from pipeline.work import ROW_KEY
from tests.closure import ROOT
from tests.pipeline.made_records import record

WHOLE = "https://image.civitai.com/bucket/uuid/original=true/a.jpeg"
CONTENT = b"a rendition"
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def identify():
    path = ROOT / "params.yaml"
    config, squares = params.load(CleanParams, "clean", path), params.load(ImageParams, "image", path)
    return partial(identifying.identify, config=config, squares=squares)


def _records(folder, *rows):
    path = folder / "records.parquet"
    tables.write(tables.from_rows(rows, RECORDS), path, RECORDS)
    return path


def _chunk(folder, pictures):
    rows = [Picture(url, content, 200, 1).row() for url, content in pictures.items()]
    path = folder / "chunk-1.parquet"
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([(ROW_KEY, pa.string()), *STORED])), path)
    return path


@pytest.mark.parametrize("told", ["original=true", "width=450"])
@pytest.mark.parametrize("asked", [SHA, "lexica:1", WHOLE, WHOLE.replace("original=true", "width=320")])
def test_a_record_and_any_rendition_of_its_picture_are_one(tmp_path, identify, told, asked):
    url, stored = WHOLE.replace("original=true", told), WHOLE.replace("original=true", "width=512")
    records = _records(tmp_path, record("1", image_url=url), record("2", image_url=WHOLE.replace("a.jpeg", "b.jpeg")))
    chunk = _chunk(tmp_path, {stored: CONTENT, "https://image.lexica.art/2": b"another"})
    traces = identify(asked, Sources([records], [chunk]))
    assert (traces.ids, traces.pictures) == ({"lexica:1"}, {SHA})
    assert traces.addresses >= {url, stored, WHOLE}
    assert not [url for url in traces.addresses if "b.jpeg" in url]


def test_pages_that_go_are_told_from_pictures(tmp_path, identify):
    traces = identify("lexica:1", Sources([_records(tmp_path, record("1"))]))
    assert traces.pages == {"https://lexica.art/prompt/1"}
    assert traces.addresses == {"https://lexica.art/prompt/1", "https://image.lexica.art/1"}
    assert identify("https://lexica.art/prompt/1", Sources([tmp_path / "records.parquet"])).pages == set()


def test_pictures_that_stay_are_not_held_in_memory(tmp_path, identify):
    chunk = _chunk(tmp_path, {f"https://image.lexica.art/{number}": os.urandom(2_000_000) for number in range(4)})
    tracemalloc.start()
    traces = identify("ab" * 32, Sources([], [chunk]))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert traces.pictures == {"ab" * 32}
    assert peak_bytes < 1_000_000


def test_a_chunk_of_earlier_days_without_digests_is_read_too(tmp_path, identify):
    table = pa.table({ROW_KEY: ["https://image.lexica.art/1"], "content": pa.array([CONTENT], pa.binary())})
    pq.write_table(table, tmp_path / "chunk-1.parquet")
    traces = identify(SHA, Sources([], [Path(tmp_path / "chunk-1.parquet")]))
    assert traces.addresses == {"https://image.lexica.art/1"}

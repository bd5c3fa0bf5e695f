import datetime
import json
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.sources.imports import kinds
from pipeline.sources.imports.parquet_table import ParquetTableParams
from pipeline.sources.local_pictures import LocalPictures
from pipeline.sources.record import Record, Rejected
from tests.pipeline.sources.imports.made import PROMPTS, png, put, settings, walked

COLUMNS = {"id": "key", "prompt": "words", "created_at": "day", "nsfw_level": "level", "author": "who"}
BYTES = {"column": "picture", "holds": "bytes", "hosts": []}


def _walk(path, columns=None, image=BYTES):
    config = settings(ParquetTableParams, path, kind="parquet", columns=columns or {"prompt": "words"}, image=image)
    return walked(kinds.walk("table", config, "salt"))


def _write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=2)
    return path


def test_rows_become_records_by_the_column_map(tmp_path):
    row = {"key": "k1", "words": "(star:1.2)", "day": datetime.date(2024, 5, 1), "level": 40, "who": "ada"}
    path = _write(
        tmp_path / "a.parquet",
        {**row, "picture": {"bytes": png(), "path": "a.png"}, "more": [b"x"], "size": {"w": 1.5}},
    )
    record = _walk(path, COLUMNS)[0][0]
    assert isinstance(record, Record)
    assert (record.source_id, record.complex_prompt, record.created_at) == ("k1", "star", "2024-05-01")
    assert record.nsfw_level == 16
    assert record.author_hash
    assert json.loads(record.meta_json) == {
        "key": "k1",
        "words": "(star:1.2)",
        "day": "2024-05-01",
        "level": 40,
        "more": [],
        "size": {"w": 1.5},
    }


def test_pictures_of_any_row_group_and_file_are_found_again(tmp_path):
    for name in ("a", "sub/b"):
        rows = [{"words": "star", "picture": png(number)} for number in range(5)]
        _write(tmp_path / f"{name}.parquet", *rows)
    found, _ = _walk(tmp_path)
    assert [item.source_id for item in found][:2] == ["a-000000000", "a-000000001"]
    assert found[5].source_id == "sub--b-000000000"
    reader = LocalPictures({"table": tmp_path}, max_bytes=10**6)
    contents = [reader.get(item.image_url).content for item in [*found, found[0]]]
    assert contents == [png(number) for number in (*range(5), *range(5), 0)]


def test_prompts_of_any_kind_stay_as_they_are(tmp_path):
    path = _write(tmp_path / "a.parquet", *({"words": prompt, "picture": png()} for prompt in PROMPTS))
    assert [item.prompt for item in _walk(path)[0]] == list(PROMPTS)


def test_file_names_are_relative_to_the_folder(tmp_path):
    put(tmp_path, {"in/a.png": png(), "secret.png": png()})
    rows = [{"words": "star", "picture": name} for name in ("a.png", "../secret.png", None)]
    _write(tmp_path / "in/table.parquet", *rows)
    found, _ = _walk(tmp_path / "in", image={**BYTES, "holds": "file_name"})
    assert found[0].image_url == f"import://table/a.png?sha256={sha256(png()).hexdigest()}"
    assert [item.reason for item in found[1:]] == ["picture_outside", "picture_outside"]
    assert json.loads(found[0].meta_json)["picture"] == "a.png"


def test_addresses_must_lie_on_a_stated_host(tmp_path):
    urls = ("https://p.example/1.png", "https://q.example/1.png", "http://p.example/1.png", None)
    path = _write(tmp_path / "a.parquet", *({"words": "star", "picture": url} for url in urls))
    found, _ = _walk(path, image={"column": "picture", "holds": "url", "hosts": ["p.example"]})
    assert found[0].image_url == "https://p.example/1.png"
    assert [item.reason for item in found[1:]] == ["host_not_allowed", "no_image_url", "no_image_url"]


def test_rows_without_picture_prompt_or_with_a_repeated_id_are_rejected(tmp_path):
    rows = [
        {"key": "a", "words": "star", "picture": png()},
        {"key": "a", "words": "star", "picture": png()},
        {"key": "../b", "words": "star", "picture": png()},
        {"key": "c", "words": None, "picture": png()},
        {"key": "d", "words": "star", "picture": None},
        {"key": None, "words": "star", "picture": png()},
    ]
    path = _write(tmp_path / "a.parquet", *rows)
    found, _ = _walk(path, {"id": "key", "prompt": "words"})
    assert [(item.source_id, item.reason) for item in found if isinstance(item, Rejected)] == [
        ("a.parquet#2", "repeated_id"),
        ("a.parquet#3", "malformed"),
        ("a.parquet#4", "no_prompt"),
        ("a.parquet#5", "no_picture"),
    ]
    assert found[-1].source_id == "a-000000005"


@pytest.mark.parametrize(
    ("content", "columns", "line"),
    [
        (None, {"prompt": "words"}, "is no Parquet file and no folder with one"),
        (b"PAR1 no", {"prompt": "words"}, "is no Parquet file that can be read"),
        ("table", {"prompt": "caption"}, r"no column 'caption' \(sources\.table\.columns\.prompt\); it has words, pic"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, content, columns, line):
    if content == "table":
        _write(tmp_path / "a.parquet", {"words": "star", "picture": png()})
    elif content:
        put(tmp_path, {"a.parquet": content})
    with pytest.raises(InputError, match=line):
        _walk(tmp_path, columns)


def test_a_file_that_is_a_link_is_not_followed(tmp_path):
    _write(tmp_path / "secret.parquet", {"words": "not of this import", "picture": png()})
    _write(tmp_path / "data/b.parquet", {"words": "star", "picture": png()})
    (tmp_path / "data/c.parquet").symlink_to(tmp_path / "secret.parquet")
    with pytest.raises(InputError, match=r"c\.parquet is not read: it leads through a symbolic link"):
        _walk(tmp_path / "data")


def test_a_table_that_is_damaged_in_the_middle_is_one_line(tmp_path):
    path = _write(tmp_path / "a.parquet", *({"words": "star", "picture": png(number)} for number in range(50)))
    content = bytearray(path.read_bytes())
    content[8:2000] = bytes(1992)
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no Parquet file that can be read"):
        _walk(path)


def test_cells_that_python_cannot_hold_are_one_line(tmp_path):
    for number, cells in enumerate(
        (pa.array([2**62], pa.timestamp("us")), pa.array([b"\xff"]).cast(pa.string(), safe=False))
    ):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"words": ["star"], "picture": [png()], "odd": cells}), path)
        with pytest.raises(InputError, match="is no Parquet file that can be read") as caught:
            _walk(path)
        assert len(str(caught.value).splitlines()) == 1

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import tables
from pipeline.errors import InputError
from pipeline.sources.imports import kinds
from pipeline.sources.imports.image_folder import ImageFolderParams
from pipeline.sources.local_pictures import LocalPictures
from pipeline.sources.record import RECORDS, Record, Rejected
from tests.pipeline.sources.imports.made import PROMPTS, SEEDS, png, put, settings, walked

COLUMNS = {"prompt": "prompt", "seed": "seed", "author": "user", "nsfw_level": "nsfw", "page_url": "page"}


def _walk(root, **changes):
    config = settings(ImageFolderParams, root, kind="image_folder", columns=COLUMNS, **changes)
    return walked(kinds.walk("surd", config, "salt"))


def _reasons(root):
    return [item.reason for item in _walk(root)[0] if isinstance(item, Rejected)]


def _jsonl(*rows):
    return "\n".join(json.dumps(row) for row in rows)


def test_surds_rows_without_file_endings_are_records_with_their_provenance(tmp_path):
    row = {"file_name": "dd9b038c-1", "text": "a star at night", "prompt": "(star:1.2), <lora:x:1> night"}
    put(tmp_path, {"metadata.jsonl": _jsonl(row), "dd9b038c-1.png": png()})
    found, ended = _walk(tmp_path)
    assert ended == "all_rows_read"
    record = found[0]
    assert isinstance(record, Record)
    assert (record.source, record.source_id, record.prompt) == ("surd", "dd9b038c-1.png", row["prompt"])
    assert record.complex_prompt == "star, night"
    assert (record.licence, record.access_basis) == ("CC0-1.0", "my own pictures")
    assert (record.licence_url, record.page_url) == ("https://a.example/licence", "https://a.example")
    assert json.loads(record.meta_json) == row
    answer = LocalPictures({"surd": tmp_path}, max_bytes=10**6).get(record.image_url)
    assert answer.content == png()


def test_every_ending_is_tried_and_every_subfolder_read(tmp_path):
    rows = [{"file_name": name, "prompt": "star"} for name in ("a", "b", "./sub/c", "d.png")]
    pictures = {"train/a.webp": png(1), "train/b.jpg": png(2), "train/sub/c.jpeg": png(3), "train/d.png": png(4)}
    put(tmp_path, {"train/metadata.jsonl": _jsonl(*rows), **pictures})
    found, _ = _walk(tmp_path)
    assert [item.source_id for item in found] == ["train--a.webp", "train--b.jpg", "train--sub--c.jpeg", "train--d.png"]


def test_csv_prompts_keep_line_breaks_quotes_and_emojis(tmp_path):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["file_name", "prompt"])
    writer.writeheader()
    writer.writerows({"file_name": f"{number}.png", "prompt": prompt} for number, prompt in enumerate(PROMPTS))
    put(tmp_path, {"metadata.csv": "\ufeff" + text.getvalue(), **{f"{n}.png": png(n) for n in range(len(PROMPTS))}})
    found, _ = _walk(tmp_path)
    assert [item.prompt for item in found] == list(PROMPTS)


def test_parquet_metadata_is_read_with_its_types(tmp_path):
    table = pa.table(
        {"file_name": ["a.png"], "prompt": ["star"], "seed": [2**40], "raw": [b"x"], "score": [float("nan")]}
    )
    put(tmp_path, {"a.png": png()})
    pq.write_table(table, tmp_path / "metadata.parquet")
    found, _ = _walk(tmp_path)
    assert found[0].seed == 2**40
    assert json.loads(found[0].meta_json) == {"file_name": "a.png", "prompt": "star", "seed": 2**40, "score": None}


def test_seeds_of_64_bits_stay_exact_and_larger_ones_stay_in_the_metadata(tmp_path):
    rows = [{"file_name": f"{number}.png", "prompt": "star", "seed": seed} for number, seed in enumerate(SEEDS)]
    put(tmp_path, {"metadata.jsonl": _jsonl(*rows), **{row["file_name"]: png() for row in rows}})
    found, _ = _walk(tmp_path)
    assert [item.seed for item in found] == list(SEEDS.values())
    assert [json.loads(item.meta_json)["seed"] for item in found] == list(SEEDS)
    assert tables.from_rows((item.row() for item in found), RECORDS).num_rows == len(SEEDS)


def test_authors_are_hashed_and_ratings_and_pages_taken_over(tmp_path):
    row = {"file_name": "a.png", "prompt": "star", "user": "ada", "nsfw": True, "page": "https://b.example/1"}
    put(tmp_path, {"metadata.jsonl": _jsonl(row), "a.png": png()})
    record = _walk(tmp_path)[0][0]
    assert record.author_hash
    assert "ada" not in str(record.row())
    assert (record.nsfw_level, record.page_url) == (4, "https://b.example/1")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret.png", "picture_outside"),
        ("sub/../../secret.png", "picture_outside"),
        ("/etc/passwd", "picture_outside"),
        ("", "no_file_name"),
        ("none.png", "picture_missing"),
        ("x" * 100_000, "picture_missing"),
        ("a\x00.png", "picture_missing"),
        ("link.png", "picture_is_link"),
        ("linked/secret.png", "picture_is_link"),
        ("sub", "picture_missing"),
        (7, "no_file_name"),
    ],
)
def test_a_picture_that_must_not_or_cannot_be_read_is_one_reason(tmp_path, name, reason):
    put(tmp_path, {"secret.png": png(), "import/sub/a.png": png()})
    root = tmp_path / "import"
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "linked").symlink_to(tmp_path)
    put(root, {"metadata.jsonl": _jsonl({"file_name": name, "prompt": "star"})})
    assert _reasons(root) == [reason]


def test_each_broken_row_is_rejected_by_file_and_number_and_the_others_stay(tmp_path):
    lines = [
        b'{"file_name": "a.png", "prompt": "star"}',
        b'{"file_name": ',
        b"",
        b'["a.png"]',
        b'{"file_name": "a.png", "prompt": "\xe9"}',
        b"[" * 100_000,
        b'{"file_name": "a.png", "prompt": "again"}',
        b'{"file_name": "b.png", "prompt": "  "}',
        b'{"file_name": "b.png", "prompt": "half an emoji \\ud83d"}',
    ]
    put(tmp_path, {"metadata.jsonl": b"\n".join(lines), "a.png": png(), "b.png": png(1)})
    found, _ = _walk(tmp_path)
    assert {item.source_id: item.reason for item in found if isinstance(item, Rejected)} == {
        "metadata.jsonl#2": "not_json",
        "metadata.jsonl#3": "malformed",
        "metadata.jsonl#4": "not_utf8",
        "metadata.jsonl#5": "not_json",
        "metadata.jsonl#6": "repeated_id",
        "metadata.jsonl#7": "no_prompt",
    }
    kept = [item for item in found if isinstance(item, Record)]
    assert tables.from_rows((item.row() for item in kept), RECORDS).column("prompt").to_pylist() == [
        "star",
        "half an emoji ?",
    ]


def test_csv_rows_of_another_length_are_malformed(tmp_path):
    put(tmp_path, {"metadata.csv": "file_name,prompt\na.png,star,more\na.png\na.png,star\n", "a.png": png()})
    assert _reasons(tmp_path) == ["malformed", "malformed"]


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"a.png": png()}, r"has no metadata\.jsonl, metadata\.csv or metadata\.parquet"),
        ({"metadata.csv": b"file_name,prompt\na.png,\xe9\n"}, r"metadata\.csv is not UTF-8 text"),
        ({"metadata.csv": b'file_name,prompt\na.png,"never closed'}, r"metadata\.csv is no CSV"),
        ({"metadata.parquet": b"PAR1nothing"}, r"metadata\.parquet is no Parquet file"),
        ({"metadata.csv": b"", "metadata.jsonl": b""}, "has 2 metadata files"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_one_line(tmp_path, files, line):
    put(tmp_path, files)
    with pytest.raises(InputError, match=line) as caught:
        _walk(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_metadata_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text(_jsonl({"file_name": "a.png", "prompt": "not of this import"}))
    put(tmp_path / "data", {"a.png": png()})
    (tmp_path / "data/metadata.jsonl").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match=r"metadata\.jsonl is not read: it leads through a symbolic link"):
        _walk(tmp_path / "data")


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(InputError, match="the import's folder cannot be read"):
        _walk(tmp_path / "none")


def test_a_column_may_tell_the_id(tmp_path):
    rows = [{"file_name": "a.png", "prompt": "star", "key": 7}, {"file_name": "b.png", "prompt": "star", "key": "../x"}]
    put(tmp_path, {"metadata.jsonl": _jsonl(*rows), "a.png": png(), "b.png": png()})
    columns = {"prompt": "prompt", "id": "key"}
    config = settings(ImageFolderParams, tmp_path, kind="image_folder", columns=columns)
    found, _ = walked(kinds.walk("surd", config, "salt"))
    assert [found[0].source_id, found[1]] == ["7", Rejected("metadata.jsonl#2", "malformed")]


def test_names_that_are_no_ids_become_digests_and_the_walk_ends_at_the_wanted_number(tmp_path):
    rows = [{"file_name": name, "prompt": "star"} for name in ("a b.png", "c.png", "d.png")]
    put(tmp_path, {"metadata.jsonl": _jsonl(*rows), **{row["file_name"]: png() for row in rows}})
    found, ended = _walk(tmp_path, max_records=2)
    assert (len(found), ended) == (2, "max_records")
    assert len(found[0].source_id) == 32
    assert found[1].source_id == "c.png"

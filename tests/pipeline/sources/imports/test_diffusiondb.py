import datetime
import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.sources.imports import kinds
from pipeline.sources.imports.diffusiondb import DiffusionDbParams
from pipeline.sources.local_pictures import LocalPictures
from pipeline.sources.record import Record, Rejected
from tests.pipeline.sources.imports.made import PROMPTS, png, put, settings, walked

ITEM = {"p": "geodesic landscape, 4 k, ", "se": 38753269, "c": 12.0, "st": 50, "sa": "k_lms"}
TIME = datetime.datetime(2022, 8, 11, 9, 5, tzinfo=datetime.UTC)


def _walk(root, **changes):
    config = settings(DiffusionDbParams, root, kind="diffusiondb", nsfw_threshold=0.5, **changes)
    return walked(kinds.walk("diffusiondb", config, "salt"))


def _folder(root, number, items, pictures=None):
    part = f"part-{number:06d}"
    files = dict.fromkeys(items, png(number)) if pictures is None else pictures
    put(root, {f"images/{part}/{part}.json": json.dumps(items)})
    return put(root, {f"images/{part}/{name}": content for name, content in files.items()})


def _zip(root, number, members):
    path = root / f"part-{number:06d}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _table(root, *rows):
    known = {"part_id": 1, "width": 512, "height": 768, "user_name": "u1", "timestamp": TIME, "sampler": 8}
    scores = {"image_nsfw": 0.1, "prompt_nsfw": 0.0}
    pq.write_table(pa.Table.from_pylist([{**known, **scores, **row} for row in rows]), root / "metadata.parquet")


def _reasons(found):
    return {item.source_id: item.reason for item in found if isinstance(item, Rejected)}


def test_a_part_that_is_a_folder_becomes_records(tmp_path):
    _folder(tmp_path, 1, {"f35.png": ITEM})
    found, ended = _walk(tmp_path)
    record = found[0]
    assert isinstance(record, Record)
    assert (record.source_id, record.prompt, record.seed) == ("f35.png", ITEM["p"], 38753269)
    assert (record.cfg, record.steps, record.sampler, record.nsfw_level) == (12.0, 50, "k_lms", 0)
    assert json.loads(record.meta_json) == {"image_name": "f35.png", **ITEM}
    assert LocalPictures({"diffusiondb": tmp_path}, max_bytes=10**6).get(record.image_url).content == png(1)
    assert ended == "all_rows_read"


def test_a_part_in_its_archive_is_read_without_unpacking_it(tmp_path):
    _zip(tmp_path, 2, {"part-000002.json": json.dumps({"a.webp": ITEM}), "a.webp": png(7)})
    record = _walk(tmp_path)[0][0]
    assert LocalPictures({"diffusiondb": tmp_path}, max_bytes=10**6).get(record.image_url).content == png(7)
    assert [path.name for path in tmp_path.iterdir()] == ["part-000002.zip"]


def test_parts_come_by_number_and_a_folder_before_the_archive_that_it_came_from(tmp_path):
    _zip(tmp_path, 3, {"part-000003.json": json.dumps({"c.png": ITEM}), "c.png": png()})
    _zip(tmp_path, 1, {"part-000001.json": json.dumps({"packed.png": ITEM}), "packed.png": png()})
    _folder(tmp_path, 1, {"a.png": ITEM})
    assert [item.source_id for item in _walk(tmp_path)[0]] == ["a.png", "c.png"]


def test_the_table_adds_size_author_time_and_rating(tmp_path):
    _folder(tmp_path, 1, dict.fromkeys(("a.png", "b.png", "c.png", "d.png"), ITEM))
    _table(
        tmp_path,
        {"image_name": "a.png"},
        {"image_name": "b.png", "image_nsfw": 0.9, "user_name": "deleted_account"},
        {"image_name": "c.png", "image_nsfw": 2.0},
        {"image_name": "d.png", "prompt_nsfw": 0.5, "user_name": None, "timestamp": None},
        {"image_name": "e.png", "part_id": 2},
    )
    found, _ = _walk(tmp_path)
    first, second, _, last = found
    assert (first.width, first.height, first.nsfw_level) == (512, 768, 1)
    assert first.created_at == "2022-08-11T09:05:00+00:00"
    assert first.author_hash
    assert "u1" not in first.meta_json
    assert (second.nsfw_level, second.author_hash) == (4, None)
    assert _reasons(found) == {"images/part-000001/part-000001.json#3": "blurred"}
    assert (last.nsfw_level, last.author_hash, last.created_at) == (4, None, None)


def test_prompts_of_any_kind_stay_as_they_are(tmp_path):
    _folder(tmp_path, 1, {f"{number}.png": {**ITEM, "p": prompt} for number, prompt in enumerate(PROMPTS)})
    assert [item.prompt for item in _walk(tmp_path)[0]] == list(PROMPTS)


def test_seeds_above_64_bits_and_odd_values_are_unknown_not_wrong(tmp_path):
    _folder(tmp_path, 1, {"a.png": {**ITEM, "se": 2**63, "c": "much", "st": None}})
    record = _walk(tmp_path)[0][0]
    assert (record.seed, record.cfg, record.steps) == (None, None, None)
    assert json.loads(record.meta_json)["se"] == 2**63


def test_each_unusable_picture_is_one_reason(tmp_path):
    items = {
        "../../secret.png": ITEM,
        "none.png": ITEM,
        "empty.png": {**ITEM, "p": ""},
        "odd.png": "no object",
        "link.png": ITEM,
        "a.png": ITEM,
    }
    _folder(tmp_path, 1, items, {"empty.png": png(), "odd.png": png(), "a.png": png()})
    (tmp_path / "images/part-000001/link.png").symlink_to("a.png")
    found, _ = _walk(tmp_path)
    assert list(_reasons(found).values()) == [
        "malformed",
        "picture_missing",
        "no_prompt",
        "no_prompt",
        "picture_is_link",
    ]
    assert [item.source_id for item in found if isinstance(item, Record)] == ["a.png"]


def test_names_in_an_archive_that_lead_out_of_it_are_never_followed(tmp_path):
    root = tmp_path / "import"
    root.mkdir()
    put(tmp_path, {"secret.png": png(9)})
    _zip(root, 1, {"part-000001.json": json.dumps({"../secret.png": ITEM, "a.png": ITEM}), "../secret.png": png(9)})
    assert list(_reasons(_walk(root)[0]).values()) == ["malformed", "picture_missing"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["import", "secret.png"]


def test_a_damaged_part_is_one_rejection_and_the_others_stay(tmp_path):
    put(tmp_path, {"part-000001.zip": b"PK\x03\x04 cut off"})
    _zip(tmp_path, 2, {"a.png": png()})
    _zip(tmp_path, 3, {"part-000003.json": "{broken", "a.png": png()})
    _zip(tmp_path, 4, {"part-000004.json": "[1]"})
    whole = _zip(tmp_path, 5, {"part-000005.json": json.dumps({"a.png": ITEM}), "a.png": png()})
    whole.write_bytes(whole.read_bytes().replace(png()[40:60], bytes(20)))
    _folder(tmp_path, 6, {"b.png": ITEM})
    put(tmp_path, {"part-000007/part-000007.json": b'{"a.png": {"p": "\xe9"}}'})
    found, _ = _walk(tmp_path)
    assert _reasons(found) == {
        "part-000001.zip": "broken_archive",
        "part-000002.zip": "no_json",
        "part-000003.zip": "not_json",
        "part-000004.zip": "malformed",
        "part-000005.zip#1": "broken_archive",
        "part-000007/part-000007.json": "not_json",
    }
    assert [item.source_id for item in found if isinstance(item, Record)] == ["b.png"]


def test_a_folder_without_parts_and_a_table_that_is_none_are_one_line(tmp_path):
    with pytest.raises(InputError, match=r"has no part-000001/part-000001\.json"):
        _walk(tmp_path)
    _folder(tmp_path, 1, {"a.png": ITEM})
    put(tmp_path, {"metadata.parquet": b"no table"})
    with pytest.raises(InputError, match="is not DiffusionDB's table of metadata"):
        _walk(tmp_path)


@pytest.mark.parametrize("target", ["outside/metadata.parquet", "outside/none.parquet"])
def test_a_table_that_is_a_link_is_not_followed(tmp_path, target):
    _folder(tmp_path / "data", 1, {"a.png": ITEM})
    (tmp_path / "outside").mkdir()
    _table(tmp_path / "outside", {"image_name": "a.png"})
    (tmp_path / "data/metadata.parquet").symlink_to(tmp_path / target)
    with pytest.raises(InputError, match=r"metadata\.parquet is not read: it leads through a symbolic link"):
        _walk(tmp_path / "data")


def test_a_table_with_text_that_is_none_is_one_line(tmp_path):
    _folder(tmp_path, 1, {"a.png": ITEM})
    _table(tmp_path, {"image_name": "a.png"})
    table = pq.read_table(tmp_path / "metadata.parquet")
    broken = pa.array([b"\xff"]).cast(pa.string(), safe=False)
    place = table.column_names.index("user_name")
    pq.write_table(table.set_column(place, "user_name", broken), tmp_path / "metadata.parquet")
    with pytest.raises(InputError, match="table of metadata cannot be read"):
        _walk(tmp_path)

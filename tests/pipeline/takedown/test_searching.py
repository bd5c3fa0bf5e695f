import gzip
import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.takedown import searching
from pipeline.takedown.searching import answer_holds, archived, holds, row_holds, without_items
from pipeline.takedown.traces import Traces

PICTURE = b"picture bytes"
TRACES = Traces(
    ids={"lexica:1"}, addresses={"https://a.org/1"}, pictures={hashlib.sha256(PICTURE).hexdigest()}, made={"cd" * 32}
)


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pa.array(["lexica:12", "lexica:1"]), [False, True]),
        (pa.array(["x", None]), [False, False]),
        (pa.array(["lexica:1", "y"]).dictionary_encode(), [True, False]),
        (pa.array([PICTURE, b"other"], pa.binary()), [True, False]),
        (pa.array([None, PICTURE], pa.large_binary()), [False, True]),
        (pa.array([{"bytes": b"x", "path": "a"}, {"bytes": PICTURE, "path": "b"}]), [False, True]),
        (pa.array([["a"], [], ["b", "see https://a.org/1"]]), [False, False, True]),
        (pa.array([[1.0], [2.0]]), [False, False]),
        (pa.array([3, 4]), [False, False]),
    ],
)
def test_cells_of_every_kind_are_searched(tmp_path, column, found):
    table = pa.table({"number": list(range(len(column))), "cell": column})
    assert row_holds(table, TRACES) == found
    assert row_holds(pa.concat_tables([table, table]), TRACES) == [*found, *found]
    pq.write_table(table, tmp_path / "table")
    assert holds(tmp_path / "table", TRACES) == any(found)
    with pa.ipc.new_file(tmp_path / "arrow", table.schema) as writer:
        writer.write_table(table)
    assert holds(tmp_path / "arrow", TRACES) == any(found)


def test_other_files_are_searched_as_bytes_and_by_name(tmp_path):
    contents = {"text": b"a lexica:1 b", "same": PICTURE, "none": b"lexica:12", "empty": b"", "lexica_1.png": b"x"}
    contents[f"{'cd' * 32}.jpg"] = b"y"
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    found = {path.name for path in searching.files(tmp_path) if holds(path, TRACES)}
    assert found == {"text", "same", "lexica_1.png", f"{'cd' * 32}.jpg"}
    assert searching.files(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain https://a.org/1 text", True),
        ("plain text", False),
        (json.dumps({"url": "https://lexica.art/q", "body": '{"images": [{"id": "1"}]}'}), True),
        (json.dumps({"url": "https://lexica.art/q", "body": '{"images": [{"id": "2"}]}'}), False),
        (json.dumps({"url": "https://lexica.art/q", "body": "<html>"}), False),
        (json.dumps(["no answer"]), False),
    ],
)
def test_archives_are_unpacked_and_their_items_known_by_the_sources_own_ids(tmp_path, text, found):
    path = tmp_path / "scrape/lexica/settings/last/answer.json.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(text.encode()))
    assert holds(path, TRACES) == found


def test_items_are_cut_out_wherever_they_lie():
    value = {"a": [{"id": 1}, {"id": 2, "images": [{"src": "https://a.org/1"}, "x"]}], "id": 1}
    assert without_items(value, "lexica", TRACES) == {"a": [{"id": 2, "images": ["x"]}], "id": 1}
    assert without_items(value, "civitai", TRACES)["a"][0] == {"id": 1}


def test_the_prompt_of_a_page_that_goes_is_cut_out_too():
    page = Traces(addresses={"https://lexica.art/prompt/0123456789abcdef", "https://lexica.art/prompt/7"})
    value = {"prompts": [{"id": "0123456789abcdef", "prompt": "x"}, {"id": "7", "prompt": "y"}]}
    assert without_items(value, "lexica", page) == {"prompts": [{"id": "7", "prompt": "y"}]}


def test_a_prompt_goes_with_its_last_picture():
    images = [{"id": "1", "promptid": "a"}, {"id": "2", "promptid": "b"}, {"id": "3", "promptid": "b"}, {"id": "4"}]
    prompts = [{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"}, {"id": "c", "prompt": "z"}, "odd"]
    value = {"images": images, "prompts": prompts}
    left = without_items(value, "lexica", TRACES)
    assert left == {"images": images[1:], "prompts": prompts[1:]}
    assert without_items(value, "lexica", Traces(ids={"lexica:3"}))["prompts"] == prompts
    assert without_items(value, "lexica", Traces(ids={"lexica:2", "lexica:3"}))["prompts"] == [prompts[0], *prompts[2:]]


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<a href="/image/12-jane-doe">x</a>', True),
        ("<a class=x HREF = '../image/12-jane-doe#top'>x</a>", True),
        ("<link href=/image/12-jane-doe>", True),
        ('<a href="/image/12-jane-doe-2">x</a>', False),
        ('<a href="https://other.org/image/12-jane-doe">x</a>', False),
        ('<a href="http://[broken">/image/12-jane-doe</a>', False),
    ],
)
def test_relative_links_of_a_page_are_seen(page, found):
    traces = Traces(addresses={"https://a.org/image/12-jane-doe"})
    assert answer_holds({"url": "https://a.org/prompts/doe", "body": page}, "a", traces) == found


def test_what_is_no_archived_answer_is_none():
    assert archived("no json") is None
    assert archived('{"body": 3}') is None
    assert not answer_holds({"body": "no json"}, "lexica", TRACES)

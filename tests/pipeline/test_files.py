import pytest

from pipeline import files
from pipeline.errors import InputError


def test_a_file_appears_only_when_its_block_ends_well(tmp_path):
    target = tmp_path / "deep" / "result.txt"
    with pytest.raises(RuntimeError), files.atomic_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []
    with files.atomic_file(target) as temporary:
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["result.txt"]


def test_a_failed_rewrite_leaves_the_old_file(tmp_path):
    files.write_text(tmp_path / "a", "old")
    with pytest.raises(RuntimeError), files.atomic_file(tmp_path / "a") as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert (tmp_path / "a").read_text() == "old"


def test_a_folder_replaces_the_old_one_whole(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "stale").write_text("x")
    with files.atomic_folder(folder) as temporary:
        (temporary / "fresh").write_text("y")
        assert (folder / "stale").exists()
    assert [path.name for path in folder.iterdir()] == ["fresh"]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(RuntimeError), files.atomic_folder(folder):
        raise RuntimeError
    assert (folder / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]


def test_leftovers_of_a_killed_run_are_replaced(tmp_path):
    leftover = tmp_path / ".parts.tmp"
    leftover.mkdir()
    (leftover / "half").touch()
    with files.atomic_folder(tmp_path / "parts") as temporary:
        assert not list(temporary.iterdir())


def test_json_round_trips_with_the_same_bytes_whatever_the_order(tmp_path):
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None, "ü"]})
    files.write_json(tmp_path / "b.json", {"a": [1.5, None, "ü"], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert files.read_json(tmp_path / "a.json") == {"a": [1.5, None, "ü"], "b": 1}


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_unreadable_json_is_a_users_error(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json is not readable as JSON"):
        files.read_json(tmp_path / "a.json")


def test_missing_json_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.json is missing: run the stage"):
        files.read_json(tmp_path / "nothing.json")


def test_digests_name_values_and_files(tmp_path):
    assert files.digest({"a": 1, "b": 2}) == files.digest({"b": 2, "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 2})
    files.write_bytes(tmp_path / "x", b"abc")
    assert files.file_digest(tmp_path / "x").startswith("ba7816bf8f01cfea")  # FIPS 180 example
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_two_who_write_one_file_at_a_time_each_publish_it_whole(tmp_path):
    path = tmp_path / "chunk"
    first, second = (files.atomic_file(path, shared=True) for _ in range(2))
    one, other = first.__enter__(), second.__enter__()
    one.write_text("whole")
    other.write_text("wh")
    first.__exit__(None, None, None)
    assert path.read_text() == "whole"
    other.write_text("whole")
    second.__exit__(None, None, None)
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_sweeping_takes_what_killed_writers_left_and_nothing_else(tmp_path):
    for name in ("chunk-a.parquet", ".chunk-a.parquet.tmp", ".chunk-b.parquet.17-00ff00ff.tmp", ".other.json.tmp"):
        (tmp_path / name).touch()
    files.sweep(tmp_path, "chunk-*")
    assert {path.name for path in tmp_path.iterdir()} == {"chunk-a.parquet", ".other.json.tmp"}


def test_a_key_that_comes_twice_is_refused_where_that_matters(tmp_path):
    (tmp_path / "a.json").write_text('{"x": {"a": 1, "b": 2, "a": 3}}')
    assert files.read_json(tmp_path / "a.json") == {"x": {"a": 3, "b": 2}}
    with pytest.raises(InputError, match=r"a\.json: a comes twice"):
        files.read_json(tmp_path / "a.json", keys_once=True)

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.files import write_json
from pipeline.takedown import caches
from pipeline.takedown.caches import Run, related


def _object(cache, md5, content=b"x"):
    path = cache / "files/md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _listing(cache, md5, **files):
    entries = [{"md5": value, "relpath": name.replace("_", ".")} for name, value in files.items()]
    return _object(cache, f"{md5}.dir", json.dumps(entries).encode())


def test_sheets_of_the_same_run_and_reports_go_with_a_table(tmp_path):
    objects = {name: _object(tmp_path, name) for name in ("aa1", "aa2", "aa3", "aa4", "bb1", "bb2", "cc1")}
    plots = _listing(tmp_path, "dd1", one_png="cc1")
    folder = _listing(tmp_path, "dd2", part_parquet="aa1", other_parquet="aa4")
    runs = [
        Run("dvc.lock", {}, {"data/x/table.parquet": "aa1", "data/x/sheet.png": "aa2", "data/x/words.md": "aa3"}),
        Run("1", {"data/x/sheet.png": "aa2"}, {"data/report/report.html": "bb1", "data/report/plots": "dd1.dir"}),
        Run("2", {"data/x/sheet.png": "aa2"}, {"data/other/thing.html": "bb2"}),
    ]
    stored = [*objects.values(), plots, folder]
    found = {path.name for path in related({objects["aa1"]}, runs, stored)}
    assert found == {"1", "2", "1.dir", "2.dir"}
    named = {caches.md5_of(path) for path in related({objects["aa1"]}, runs, stored)}
    assert named == {"aa1", "aa2", "bb1", "dd1.dir", "cc1", "dd2.dir"}


def test_nothing_condemned_takes_nothing_along(tmp_path):
    assert related(set(), [Run("dvc.lock", {}, {"a.png": "aa"})], [_object(tmp_path, "aa1")]) == set()


@pytest.mark.parametrize("text", ["", "- a list", "{broken", "stages: {a: {outs: [{path: x}]}}"])
def test_records_of_runs_that_cannot_be_read_tell_nothing(tmp_path, text):
    (tmp_path / "dvc.lock").write_text(text)
    (tmp_path / "runs").mkdir()
    assert [run.outs for run in caches.runs(tmp_path, tmp_path)] in ([], [{}])


def test_a_lock_file_that_is_empty_or_damaged_means_nobody_runs(tmp_path):
    assert caches.running(tmp_path) == []
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    for text in ("{}", "{broken", '{"a": {"read": []}, "b": 3}'):
        (tmp_path / ".dvc/tmp/rwlock").write_text(text)
        assert caches.running(tmp_path) == []
    (tmp_path / ".dvc/tmp/rwlock").write_text('{"a": {"read": [{"pid": 1, "cmd": "dvc repro"}]}}')
    assert caches.running(tmp_path) == ["dvc repro"]


def test_what_a_killed_dvc_has_left_in_its_lock_file_runs_no_more(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    write_json(tmp_path / ".dvc/tmp/rwlock", {"a": {"write": {"pid": gone.pid, "cmd": "dvc repro"}}})
    assert caches.running(tmp_path) == []


def test_what_is_no_shard_of_the_data_set_trained_nothing(tmp_path):
    (tmp_path / "x").write_bytes(b"no table")
    assert not caches.in_training(Path(tmp_path / "x"), caches.Traces())

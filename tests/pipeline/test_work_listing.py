import os
from types import ModuleType

import pyarrow as pa
import pytest
from filelock import FileLock

from pipeline import clip_rule, tables, work_listing
from pipeline.errors import InputError
from pipeline.files import write_bytes, write_json, write_text
from pipeline.tables import column
from pipeline.work import ResultStore, root

COLUMNS = tables.schema(column("value", pa.int64(), "the result"))
DAY = 86_400


def filled(stage, settings, rows=1, *, code=()):
    store = ResultStore(stage, settings, COLUMNS, code=code)
    for row in range(rows):
        store.add(tables.from_rows([{"key": f"k{row}", "value": row}], store.schema))
    return store


def listed(path=None):
    return {entry.name: entry for entry in work_listing.entries(root(), path or root() / "no-params.yaml")}


def aged(folder, days, now):
    for path in folder.rglob("*"):
        os.utime(path, (now - days * DAY,) * 2)


def cleaned(named=None, older_than=None, *, dry_run=False, now=1e12):
    going = work_listing.chosen(list(listed().values()), named, older_than, now=now)
    return list(work_listing.clean(going, dry_run=dry_run))


def test_a_store_tells_its_rows_chunks_bytes_and_settings():
    store = filled("caption", {"beams": 3, "model": "m"}, 2)
    (entry,) = listed().values()
    assert entry.name == f"caption/{store.folder.name}"
    assert (entry.rows, entry.chunks, entry.settings) == (2, 2, "beams 3, model m")
    assert entry.size == sum(path.stat().st_size for path in store.folder.iterdir())


def test_a_file_that_goes_while_it_is_looked_at_is_left_out(monkeypatch):
    store = filled("caption", {})
    going = store.folder / ".chunk-00ff.parquet.17-00ff00ff.tmp"
    write_bytes(going, b"x" * 1000)
    seen = type(going).stat

    def renamed_after_the_first_look(path, **options):
        found = seen(path, **options)
        if path == going:
            going.unlink()
        return found

    def gone_before_the_first_look(path, **options):
        if path == going:
            going.unlink(missing_ok=True)
        return seen(path, **options)

    size = sum(seen(path).st_size for path in store.folder.iterdir())
    for look, told in ((renamed_after_the_first_look, size), (gone_before_the_first_look, size - 1000)):
        write_bytes(going, b"x" * 1000)
        with monkeypatch.context() as patch:
            patch.setattr(type(going), "stat", look)
            (entry,) = listed().values()
        assert (entry.chunks, entry.size) == (1, told)


def test_folders_of_every_kind_are_listed_once():
    filled("clip_filter", {})
    write_bytes(root() / "miniature" / "clip.safetensors", b"x" * 10)
    write_bytes(root() / "show" / "embed" / "lengths.png", b"x")
    write_bytes(root() / "train" / "abc" / "step-000050" / "model.safetensors", b"x" * 20)
    (root() / "train" / "abc" / "lock").touch()
    write_bytes(root() / "scrape" / "lexica" / "def" / "last" / "a.json.gz", b"x" * 30)
    (root() / "scrape" / "lexica" / "def" / "lock").touch()
    found = listed()
    assert {name for name in found if not name.startswith("clip_filter/")} == {
        "miniature",
        "show",
        "train/abc",
        "scrape/lexica/def",
    }
    assert found["train/abc"].size == 20
    lines = work_listing.table(list(found.values()))
    assert lines[-1].startswith("5 folders, ")
    assert all(len(line.split()) >= 4 for line in lines)


def test_a_damaged_chunk_has_no_rows():
    store = filled("caption", {})
    write_bytes(store.folder / "chunk-x.parquet", b"nothing")
    (entry,) = listed().values()
    assert (entry.rows, entry.chunks) == (1, 2)


def test_long_settings_are_shortened():
    filled("caption", {"words": "word " * 40})
    assert work_listing.table(list(listed().values()))[1].endswith("...")


def test_what_the_settings_in_force_use_is_told_and_nothing_is_claimed_beyond(tmp_path):
    path = tmp_path / "params.yaml"
    write_text(path, "clip:\n  model: m\n  revision: r\nllm:\n  layers: all\n")
    module = ModuleType("pipeline.clip_rule")
    module.__file__ = clip_rule.__file__
    for settings, code in (
        ({"model": "m", "revision": "r"}, (module,)),
        ({"model": "m", "revision": "s"}, (module,)),
        ({"model": "m", "gone": 1}, (module,)),
    ):
        filled("clip_filter", settings, code=code)
    filled("embed", {"layers": [1, 2]}, code=(module,))
    told = {entry.settings: entry.in_force for entry in listed(path).values()}
    assert told == {
        "model m, revision r": True,
        "model m, revision s": False,
        "gone 1, model m": None,
        "layers [1, 2]": None,
    }
    assert {entry.in_force for entry in listed().values()} == {None}  # without settings nothing is known


def test_a_store_that_other_code_made_is_not_in_force(tmp_path):
    path = tmp_path / "params.yaml"
    write_text(path, "clip:\n  model: m\n")
    store = filled("clip_filter", {"model": "m"})
    for made_by in ({"pipeline.clip_rule": "other"}, {"pipeline.gone": "x"}, {"gone.module": "x"}):
        write_json(store.folder / "code.json", made_by)
        assert [entry.in_force for entry in listed(path).values()] == [False]
    (store.folder / "code.json").unlink()  # of an older version
    assert [entry.in_force for entry in listed(path).values()] == [None]


def test_a_stage_or_the_beginning_of_a_folder_is_cleaned():
    names = [filled("caption", {"beams": beams}).folder.name for beams in (1, 2)]
    filled("clip_filter", {})
    assert len(cleaned(f"caption/{names[0]}")) == 2
    assert {name.partition("/")[0] for name in listed()} == {"caption", "clip_filter"}
    assert cleaned("caption/")[-1].endswith("MB freed")
    assert [name.partition("/")[0] for name in listed()] == ["clip_filter"]
    with pytest.raises(InputError, match=r"no folder clip: name a stage .*\(clip_filter\)"):
        cleaned("clip")
    cleaned("clip_filter")
    with pytest.raises(InputError, match="nothing lies there"):
        cleaned("clip_filter")


def test_a_dry_run_touches_nothing():
    filled("caption", {})
    before = listed()
    lines = cleaned("caption", dry_run=True)
    assert lines[0].startswith("would go: caption/")
    assert lines[-1].endswith("would be freed")
    assert listed() == before


def test_age_counts_from_the_last_use_and_takes_no_archive_and_no_download():
    now = 1e9
    aged(filled("caption", {"beams": 1}).folder, 40, now)
    young = filled("caption", {"beams": 2}).folder
    aged(young, 20, now)
    for name in ("download", "scrape"):
        aged(filled(name, {}).folder, 400, now)
    assert len(cleaned(older_than=30, now=now)) == 2
    assert set(listed()) == {f"caption/{young.name}"} | {name for name in listed() if name[0] in "ds"}
    assert len(listed()) == 3
    assert cleaned("download", 500, now=now) == ["0.0 MB freed"]
    cleaned("download", 300, now=now)
    cleaned("scrape")
    assert set(listed()) == {f"caption/{young.name}"}


def test_opening_a_store_is_using_it():
    folder = filled("caption", {}).folder
    aged(folder, 40, 1e9)
    ResultStore("caption", {}, COLUMNS)
    (entry,) = listed().values()
    assert entry.used > 1.1e9


def test_a_store_that_is_written_to_or_open_is_left():
    store = filled("caption", {})
    assert cleaned("caption") == [f"left: caption/{store.folder.name} is in use", "0.0 MB freed"]  # open to read
    folder = store.folder
    del store
    with FileLock(folder / "lock"):
        assert cleaned("caption")[0].endswith("is in use")
    assert cleaned("caption")[0].startswith("gone")
    assert not folder.exists()


def test_a_store_sent_to_another_process_is_opened_there_anew():
    import pickle

    store = filled("caption", {}, 2)
    again = pickle.loads(pickle.dumps(store))
    assert again.take(["k1"]).column("value").to_pylist() == [1]
    folder = store.folder
    del store
    assert cleaned("caption")[0].endswith("is in use")
    del again
    cleaned("caption")
    assert not folder.exists()

import hashlib
import json
import shutil
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import params, tables, takedown_list, work
from pipeline.downloading import DownloadParams
from pipeline.errors import InputError
from pipeline.files import write_json
from pipeline.picture_store import Failure, Picture, PictureStore
from pipeline.sources import renditions
from pipeline.sources.record import RECORDS
from pipeline.takedown import caches, running, stores, telling
from pipeline.takedown.running import takedown
from tests.pipeline.takedown import world

DAY = date(2026, 3, 1)
GONE = [f"lexica:{number}" for number in (1, 2, 3)]
STAY = [f"lexica:{number}" for number in (0, 4, 5)]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SUR_WORK", str(folder / "store"))
        world.build(folder)
    return folder


@pytest.fixture
def project(built, tmp_path, monkeypatch):
    folder = tmp_path / "project"
    shutil.copytree(built, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SUR_WORK", str(folder / "store"))
    return folder


def _state(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and "tmp" not in path.parts}


def _cells(folder):
    """Every cell of every table as text or digest, found without the code under test."""
    found = set()
    for path in folder.rglob("*"):
        if path.is_file() and path.read_bytes()[:4] == b"PAR1":
            for row in pq.read_table(path).to_pylist():
                for value in row.values():
                    inner = value["bytes"] if isinstance(value, dict) else value
                    found.add(hashlib.sha256(inner).hexdigest() if isinstance(inner, bytes) else str(inner))
    return found


@pytest.mark.parametrize("asked", ["lexica:1", "https://image.lexica.art/1", world.digest(1)])
def test_everything_made_from_a_sample_goes_and_the_rest_stays(project, asked, capsys):
    before = _cells(project)
    squares = {hashlib.sha256(row["image"]["bytes"]).hexdigest() for row in _surd(project) if row["sample_id"] in GONE}
    assert before >= {*GONE, *STAY, world.digest(1), world.digest(2), *squares}
    takedown(asked, dry_run=False, today=DAY)
    left = _cells(project)
    lost = {*GONE, world.digest(1), world.digest(2), *squares, *(f"https://image.lexica.art/{n}" for n in (1, 2, 3))}
    assert not left & lost
    assert not any(
        name.encode() in content
        for name in GONE
        for path, content in _state(project).items()
        if path.name not in ("takedown.txt",) and content[:4] != b"PAR1"
    )
    assert {row["sample_id"] for row in _records(project)} == set(STAY)
    assert {world.digest(number) for number in (0, 4, 5)} <= left  # the work store still has them
    assert world.PAGE in left  # where sample 4 lies too
    out = capsys.readouterr().out
    assert out.count("nothing left") == 6
    assert "near copies go too: 1 samples: lexica:2" in out
    assert "now run: dvc commit -f scrape@lexica && dvc repro" in out


def _surd(project):
    return pq.read_table(project / "data/resize/parts/part-00000.parquet").to_pylist()


def _records(project):
    return pq.read_table(project / "data/scrape/lexica/records.parquet").to_pylist()


def test_tables_lose_rows_and_what_may_show_the_sample_goes_whole(project):
    takedown("lexica:1", dry_run=False, today=DAY)
    there = {str(path.relative_to(project)) for path in (project / "data").rglob("*") if path.is_file()}
    assert there >= {"data/scrape/lexica/records.parquet", "data/train/adapter/config.json", "data/clean/report.json"}
    assert not [name for name in there if name.endswith((".png", ".html"))]
    for table in ("caption/captions.parquet", "resize/parts/part-00000.parquet", "embed/layers/layer_1.parquet"):
        assert pq.read_table(project / "data" / table).column("sample_id").to_pylist() == STAY
    assert b"huggingface" in pq.read_schema(project / "data/resize/parts/part-00000.parquet").metadata
    assert not (project / "review-pictures/pairs" / f"{world.digest(1)}.jpg").exists()
    assert (project / "review-pictures/pairs" / f"{world.digest(0)}.jpg").exists()
    assert [path.name for path in (project / "store/show").iterdir()] == ["lexica_0.png"]
    report = (project / "data/scrape/lexica/report.json").read_text()
    assert '"out": 3' in report
    assert '"takedown": 3' in report


def test_archived_answers_lose_their_items_alone(project):
    import gzip

    takedown("https://lexica.art/prompt/shared", dry_run=False, today=DAY)
    answers = [json.loads(gzip.decompress(path.read_bytes())) for path in (project / "store/scrape").rglob("*.gz")]
    bodies = {answer["url"]: answer["body"] for answer in answers}
    items = json.loads(bodies["https://lexica.art/api?q=a"])["images"]
    assert [item["id"] for item in items] == ["0", "5"]  # 4 lies on the page that was asked for
    assert bodies["https://lexica.art/list"] == '<p>pages</p><a href="https://lexica.art/prompt/0">y</a>'
    assert "https://image.lexica.art/1" not in bodies


def test_a_caption_that_another_sample_has_keeps_its_vector(project):
    keys = {key for path in (project / "store/embed").rglob("chunk*") for key in pq.read_table(path)["key"].to_pylist()}
    assert "caption 1" in keys
    takedown("lexica:1", dry_run=False, today=DAY)
    takedown("lexica:0", dry_run=False, today=DAY)
    left = {key for path in (project / "store/embed").rglob("chunk*") for key in pq.read_table(path)["key"].to_pylist()}
    assert "caption 1" in left
    assert "caption 0" not in left


def test_stores_are_cleared_where_all_outputs_are_gone(project):
    """As after a takedown of something else in a project that keeps no tables."""
    shutil.rmtree("data/download")
    shutil.rmtree("data/clean")
    shutil.rmtree("data/resize")
    shutil.rmtree(".dvc")
    squares = {
        row for path in (project / "store/latents").rglob("chunk*") for row in pq.read_table(path)["key"].to_pylist()
    }
    takedown("lexica:0", dry_run=False, today=DAY)
    left = {
        row for path in (project / "store/latents").rglob("chunk*") for row in pq.read_table(path)["key"].to_pylist()
    }
    assert len(squares - left) == 1
    assert world.digest(0) not in _cells(project)


def test_failures_of_a_removed_address_leave_the_log_of_failures(project):
    store = PictureStore(params.load(DownloadParams, "download").max_mb)
    store.note([Failure(f"https://image.lexica.art/{number}", "not_found", 404, 1) for number in (0, 1, 12)])
    takedown("lexica:1", dry_run=False, today=DAY)
    (log,) = (project / "store/download").rglob("*.jsonl")
    assert [json.loads(line)["url"][-2:] for line in log.read_text().splitlines()] == ["/0", "12"]


def test_a_rendition_that_was_asked_for_is_known_without_tables(project):
    record = {"width": 2000, "height": 2000, "image_url": "https://image.civitai.com/bucket/uuid/original=true/a.jpeg"}
    url = renditions.address(record["image_url"], 2000, 2000, side_px=64)
    assert url != record["image_url"]
    rows = pq.read_table(project / "data/scrape/lexica/records.parquet").to_pylist()
    rows[0] |= record
    tables.write(tables.from_rows(rows, RECORDS), project / "data/scrape/lexica/records.parquet", RECORDS)
    shutil.rmtree("data/download")
    store = PictureStore(params.load(DownloadParams, "download").max_mb)
    store.keep([Picture(url, b"a rendition", 200, 1)])
    takedown(rows[0]["sample_id"], dry_run=False, today=DAY)
    assert not store_keys(project) & {url, record["image_url"]}
    assert store_keys(project)


def store_keys(project):
    return {
        key for path in (project / "store/download").rglob("chunk*") for key in pq.read_table(path)["key"].to_pylist()
    }


def test_a_picture_of_an_import_is_asked_for_by_its_address_and_its_folder_is_told(project, capsys):
    rows = pq.read_table(project / "data/scrape/lexica/records.parquet").to_pylist()
    url = f"import://mine/a.png?sha256={'0' * 64}"
    rows[0] |= {"image_url": url}
    tables.write(tables.from_rows(rows, RECORDS), project / "data/scrape/lexica/records.parquet", RECORDS)
    takedown(url, dry_run=False, today=DAY)
    assert f"stays, an import's folder is yours; delete it there: {url}" in capsys.readouterr().out


def test_trained_adapters_are_named_and_stay(project, capsys):
    takedown("lexica:1", dry_run=False, today=DAY)
    told = [line for line in capsys.readouterr().out.splitlines() if "cannot forget: data/train/adapter" in line]
    assert len(told) == 2  # of two runs, with other captions
    assert any("dvc.lock" in line for line in told)


def test_checkpoints_of_trainings_are_named(project, capsys):
    (project / "store/train/abc/step-000050").mkdir(parents=True)
    takedown("lexica:1", dry_run=True)
    assert f"may have learned from it: rm -r {project / 'store/train/abc'}" in capsys.readouterr().out
    takedown("lexica:77", dry_run=True)
    assert "rm -r" not in capsys.readouterr().out


@pytest.mark.parametrize("ask", [lambda: world.digest(0), lambda: world.RENDITION.replace("512", "450")])
def test_renditions_and_records_meet_without_tables_of_pictures(project, ask):
    for folder in ("data/download", "data/clean", "data/resize", ".dvc"):
        shutil.rmtree(folder)
    store = PictureStore(params.load(DownloadParams, "download").max_mb)
    failed = [world.RENDITION.replace("512", "800"), world.RENDITION.replace("0.jpeg", "1.jpeg")]
    store.note([Failure(url, "timeout", None, 4) for url in failed])
    takedown(ask(), dry_run=False, today=DAY)
    left = _cells(project)
    assert not left & {"lexica:0", world.CIVITAI, world.RENDITION, world.digest(0)}
    assert left >= {"lexica:1", world.digest(1)}
    (log,) = (project / "store/download").rglob("*.jsonl")
    assert [json.loads(line)["url"] for line in log.read_text().splitlines()] == failed[1:]
    assert takedown_list.read().removed >= {"lexica:0", world.CIVITAI, world.digest(0)}


def test_a_page_that_was_asked_for_is_kept_out(project):
    takedown(world.PAGE, dry_run=False, today=DAY)
    assert {name for name in takedown_list.read().removed if "/prompt/" in name} == {world.PAGE}


def test_people_s_answers_are_searched_and_left_to_people(project, capsys):
    export = Path("reviews/triplets/ann.json")
    export.parent.mkdir(parents=True)
    export.write_text('[{"data": {"sample_id": "lexica:1"}}]')
    takedown("lexica:1", dry_run=True)
    assert "stays: reviews/triplets/ann.json: people's answers" in capsys.readouterr().out
    with pytest.raises(InputError, match="1 files still hold the sample"):
        takedown("lexica:1", dry_run=False, today=DAY)
    assert "left: reviews/triplets/ann.json: people's answers, which no" in capsys.readouterr().out
    assert export.read_text() == '[{"data": {"sample_id": "lexica:1"}}]'
    export.write_text("[]")
    takedown("lexica:1", dry_run=False, today=DAY)
    assert capsys.readouterr().out.count("nothing left") == 6


def test_the_list_keeps_it_out_by_name_and_by_look(project):
    takedown("lexica:1", dry_run=False, today=DAY)
    found = takedown_list.read()
    assert found.removed >= {"lexica:1", "lexica:2", "lexica:3", world.digest(1), "https://image.lexica.art/2"}
    assert not [name for name in found.names if "/prompt/" in name]  # pages may show other pictures later
    assert len(found.looks) == 1
    assert "# 2026-03-01: lexica:1 was removed with 1 near copies" in Path("takedown.txt").read_text()


def test_a_dry_run_says_the_same_and_touches_nothing(project, capsys):
    before = _state(project)
    takedown("lexica:1", dry_run=True)
    assert _state(project) == before
    planned = [line for line in capsys.readouterr().out.splitlines() if "would go" in line]
    takedown("lexica:1", dry_run=False, today=DAY)
    went = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  goes")]
    assert [line.replace("would go", "goes") for line in planned] == went
    assert len(went) > 15


@pytest.mark.parametrize("step", [0, 3, 9, 14])
def test_a_killed_takedown_can_be_run_again(project, monkeypatch, capsys, step):
    class Killed(BaseException):
        pass

    whole = running._plan

    def cut_off(places, traces):
        plan = whole(places, traces)

        def die():
            raise Killed

        return [*plan[:step], stores.Step(Path("x"), "y", die), *plan[step:]]

    monkeypatch.setattr(running, "_plan", cut_off)
    monkeypatch.setattr(telling, "say", lambda _: None)
    with pytest.raises(Killed):
        takedown("lexica:1", dry_run=False, today=DAY)
    monkeypatch.undo()
    monkeypatch.chdir(project)
    monkeypatch.setenv("SUR_WORK", str(project / "store"))
    takedown("lexica:1", dry_run=False, today=DAY)
    assert not _cells(project) & {*GONE, world.digest(1), world.digest(2)}
    out = capsys.readouterr().out
    assert out.count("nothing left") == 6
    assert out.count("cannot forget: data/train/adapter") == 2
    assert not list((project / "store/takedown").iterdir())
    assert Path("takedown.txt").read_text().count("lexica:1 was removed") == 1


def test_what_is_left_is_told_with_its_command_and_fails(project, capsys):
    copy = Path(".dvc/tmp/exps/abc/data/captions.txt")
    copy.parent.mkdir(parents=True)
    copy.write_text("lexica:1,lexica:12")
    with pytest.raises(InputError, match="1 files still hold the sample"):
        takedown("lexica:1", dry_run=False, today=DAY)
    assert "dvc queue remove --all" in capsys.readouterr().out
    copy.write_text("lexica:12")
    takedown("lexica:1", dry_run=False, today=DAY)


def test_a_sample_that_nobody_has_goes_on_the_list(project, capsys):
    before = {path for path in _state(project) if path.name != "takedown.txt"}
    takedown("lexica:77", dry_run=False, today=DAY)
    assert "nothing here holds lexica:77" in capsys.readouterr().out
    assert {path for path in _state(project) if path.name != "takedown.txt"} == before
    assert takedown_list.read().removed == {"lexica:77"}


@pytest.mark.parametrize("asked", ["lexica", "ftp://a/b", "abc123"])
def test_what_is_no_id_address_or_digest_is_refused(project, asked):
    with pytest.raises(InputError, match="is no sample id"):
        takedown(asked, dry_run=False)


def test_nothing_is_touched_while_dvc_runs(project):
    write_json(Path(".dvc/tmp/rwlock"), {"data/clean": {"write": {"pid": 1, "cmd": "dvc repro"}}, "x": {"read": []}})
    with pytest.raises(InputError, match=r"DVC is running \(dvc repro\): wait"):
        takedown("lexica:1", dry_run=True)


def test_nothing_is_touched_while_a_stage_without_dvc_writes(project):
    store = PictureStore(params.load(DownloadParams, "download").max_mb)
    with store.locked(), pytest.raises(InputError, match="is being written to"):
        takedown("lexica:1", dry_run=False, today=DAY)
    assert takedown_list.read().names == set()


def test_a_folder_without_dvc_has_no_cache(project, capsys):
    shutil.rmtree(".dvc")
    takedown("lexica:1", dry_run=False, today=DAY)
    assert not _cells(project) & set(GONE)
    assert capsys.readouterr().out.count("nothing left") == 5
    assert caches.folder(Path()) is None
    assert work.root() == project / "store"

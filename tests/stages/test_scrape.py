import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import params, sorting, tables
from pipeline.errors import EmptyResultError, SettingError, SourceError
from pipeline.http import FetchError, Response
from pipeline.sources.imports.png_folder import PngFolderParams
from pipeline.sources.record import RECORDS
from pipeline.sources.settings import SourcesParams
from stages import scrape
from tests.pipeline.sources.imports.made import COMMON, png, put, settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config():
    return params.load(SourcesParams, "sources", ROOT / "params.yaml")


def _lexica(url):
    query = url.rpartition("=")[2].replace("+", "-")
    images = [
        {
            "id": f"{query}-{number}",
            "src": "https://image.lexica.art/1",
            "prompt": f"({query}:1.2)",
            "nsfw": number == 0,
        }
        for number in range(2)
    ]
    sheet = {"id": "sheet", "src": "https://image.lexica.art/2", "prompt": "x", "grid": True}
    return Response(url, 200, {}, json.dumps({"images": [*images, sheet]}).encode(), 1)


def _civitai(url):
    meta = {"prompt": "star"}
    days = ("2024-05-01", "2024-01-01", None)
    items = [
        {"id": number, "url": "https://image.civitai.com/1", "meta": meta, "createdAt": day, "browsingLevel": 1}
        for number, day in enumerate(days)
    ]
    return Response(url, 200, {}, json.dumps({"items": items, "metadata": {}}).encode(), 1)


def _stable_diffusion_online(url):
    if "/prompts/" in url:
        return Response(url, 200, {}, b'<a href="/image/5-x">x</a>', 1)
    if "/image/" in url:
        page = b"<p>Prompt: a star</p><img src='https://imgcdn.stablediffusionweb.com/2024/1/1/a.jpg'>"
        return Response(url, 200, {}, page, 1)
    raise FetchError(url, "not_found", status=404, attempts=1)


def test_records_rejections_and_a_report_are_written(tmp_path, config):
    scrape.scrape("lexica", config, tmp_path, get=_lexica)
    records = tables.read(tmp_path / "records.parquet", RECORDS)
    report = json.loads((tmp_path / "report.json").read_text())
    count = 2 * len(config.lexica.queries)
    assert records.num_rows == report["out"] == count
    assert (report["in"], report["dropped"], report["ended"]) == (count + 1, {"grid": 1}, "all_queries_asked")
    assert report["by_nsfw_level"] == {"1": count // 2, "4": count // 2}
    dropped = tables.read(tmp_path / "dropped.parquet", tables.DROPPED).to_pylist()
    assert dropped == [{"sample_id": "lexica:sheet", "drop_reason": "grid"}]


def test_the_report_tells_the_oldest_and_the_newest_record(tmp_path, config):
    scrape.scrape("civitai", config, tmp_path, get=_civitai)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["oldest"], report["newest"]) == ("2024-01-01", "2024-05-01")


def test_pages_are_scraped_too(tmp_path, config):
    scrape.scrape("stable_diffusion_online", config, tmp_path, get=_stable_diffusion_online)
    records = tables.read(tmp_path / "records.parquet", RECORDS)
    assert records.column("sample_id").to_pylist() == ["stable_diffusion_online:5"]


@pytest.mark.parametrize("answers", [_lexica, _civitai])
def test_the_same_answers_give_the_same_bytes(tmp_path, config, answers):
    for folder in ("one", "two"):
        scrape.scrape(answers.__name__.strip("_"), config, tmp_path / folder, get=answers)
    names = ("records.parquet", "dropped.parquet", "report.json")
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)


@pytest.mark.parametrize("entry", ["civitai:1", "https://civitai.com/images/1"])
def test_what_was_taken_down_is_no_record_when_the_site_still_shows_it(tmp_path, config, entry):
    scrape.scrape("civitai", config, tmp_path, get=_civitai, removed={entry})
    records = tables.read(tmp_path / "records.parquet", RECORDS)
    assert records.column("sample_id").to_pylist() == ["civitai:0", "civitai:2"]
    assert json.loads((tmp_path / "report.json").read_text())["dropped"] == {"takedown": 1}


def test_many_records_come_out_sorted(tmp_path, config, monkeypatch):
    monkeypatch.setattr(sorting, "ROWS_A_BATCH", 5)
    monkeypatch.setattr(tables, "PLAIN_ROW_GROUP_ROWS", 16)
    scrape.scrape("lexica", config, tmp_path, get=_lexica)
    names = tables.read(tmp_path / "records.parquet", RECORDS).column("sample_id").to_pylist()
    assert len(names) == 2 * len(config.lexica.queries)
    assert names == sorted(names)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dropped.parquet",
        "records.parquet",
        "report.json",
        "work",
    ]


def test_a_site_without_a_usable_record_is_told_with_its_settings(tmp_path, config):
    def nothing(url):
        return Response(url, 200, {}, b'{"images": []}', 1)

    with pytest.raises(EmptyResultError, match=r"sources\.lexica"):
        scrape.scrape("lexica", config, tmp_path, get=nothing)
    assert list(tmp_path.glob("*.parquet")) == []


def test_a_killed_scrape_goes_on_and_gives_what_an_undisturbed_one_gives(tmp_path, config):
    asked = []

    def dying(url):
        asked.append(url)
        if len(asked) == 3:
            raise FetchError(url, "connection_failed", attempts=5)
        return _lexica(url)

    with pytest.raises(SourceError, match="could not be reached after 5 attempts"):
        scrape.scrape("lexica", config, tmp_path / "one", get=dying)
    scrape.scrape("lexica", config, tmp_path / "one", get=dying)
    assert len(asked) == len(config.lexica.queries) + 1
    scrape.scrape("lexica", config, tmp_path / "two", get=_lexica)
    assert (tmp_path / "one/records.parquet").read_bytes() == (tmp_path / "two/records.parquet").read_bytes()


def test_main_scrapes_a_served_site_with_the_settings_in_force(tmp_path, monkeypatch):
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "takedown.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    scrape.main("lexica")
    assert tables.read(tmp_path / "data/scrape/lexica/records.parquet", RECORDS).num_rows > 300


def test_an_unknown_source_is_told(config):
    with pytest.raises(SettingError, match="choose one of lexica, civitai, stable_diffusion_online"):
        scrape.known("flickr", config)


def test_help_says_what_the_stage_reads_and_writes():
    done = subprocess.run(
        [sys.executable, "-m", "stages.scrape", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Reads" in done.stdout
    assert "records.parquet" in done.stdout


@pytest.mark.parametrize("answers", [_lexica, _civitai, _stable_diffusion_online])
def test_offline_the_same_answers_are_parsed_again_without_a_request(tmp_path, config, answers):
    name = answers.__name__.strip("_")
    scrape.scrape(name, config, tmp_path / "one", get=answers)
    scrape.replay(name, config, tmp_path / "two")
    names = ("records.parquet", "dropped.parquet", "report.json")
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)


def test_main_parses_again_offline_and_starts_no_server(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "takedown.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    scrape.main("stable_diffusion_online")
    records = tmp_path / "data/scrape/stable_diffusion_online/records.parquet"
    content = records.read_bytes()
    records.unlink()
    monkeypatch.setattr(scrape, "serving", None)
    monkeypatch.setattr(scrape, "PoliteSession", None)
    scrape.main("stable_diffusion_online", offline=True)
    assert records.read_bytes() == content


def test_offline_without_an_archive_is_one_line(tmp_path, config):
    with pytest.raises(SourceError, match="is not in the archive of civitai"):
        scrape.replay("civitai", config, tmp_path)


def test_a_served_site_is_scraped_by_post_where_the_settings_say_so(tmp_path, monkeypatch):
    other = "infinite_prompts: {model: v3.5, image_base: 'https://image.lexica.art/md2'}"
    text = (ROOT / "params.yaml").read_text()
    assert "infinite_prompts:\n" in text
    (tmp_path / "params.yaml").write_text(text.replace("infinite_prompts:\n", other + "\n"))
    (tmp_path / "takedown.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    scrape.main("lexica")
    records = tables.read(tmp_path / "data/scrape/lexica/records.parquet", RECORDS)
    assert records.num_rows > 300
    assert set(records.column("negative_prompt").to_pylist()) == {"blurry, noisy"}
    first = (tmp_path / "data/scrape/lexica/records.parquet").read_bytes()
    scrape.main("lexica", offline=True)
    assert (tmp_path / "data/scrape/lexica/records.parquet").read_bytes() == first


def test_an_import_is_read_without_asking_anybody(tmp_path, monkeypatch):
    put(tmp_path / "mine", {"a.png": png(parameters="star\nSteps: 1, Sampler: a, Seed: 5"), "b.png": b"broken"})
    text = (ROOT / "params.yaml").read_text()
    section = "\n".join(
        f"    {key}: {value}" for key, value in {**COMMON, "kind": "png_folder", "path": "mine"}.items()
    )
    (tmp_path / "params.yaml").write_text(text.replace("\n  contact:", f"\n  mine:\n{section}\n  contact:", 1))
    (tmp_path / "takedown.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scrape, "PoliteSession", None)
    scrape.main("mine")
    assert tables.read(tmp_path / "data/scrape/mine/records.parquet", RECORDS).column("seed").to_pylist() == [5]
    dropped = tables.read(tmp_path / "data/scrape/mine/dropped.parquet", tables.DROPPED).to_pylist()
    assert dropped == [{"sample_id": "mine:b.png", "drop_reason": "broken_image"}]
    report = json.loads((tmp_path / "data/scrape/mine/report.json").read_text())
    assert (report["in"], report["out"], report["ended"]) == (2, 1, "all_rows_read")


def test_an_import_without_a_usable_row_is_told_with_its_settings(tmp_path, config):
    put(tmp_path / "mine", {"a.png": b"broken"})
    one = settings(PngFolderParams, tmp_path / "mine", kind="png_folder")
    with pytest.raises(EmptyResultError, match=r"look at sources\.mine"):
        scrape.read_import("mine", config.model_copy(update={"mine": one}), tmp_path / "out")


def test_what_was_taken_down_does_not_come_back_by_an_import(tmp_path, config):
    put(tmp_path / "mine", {f"{name}.png": png(parameters="star\nSteps: 1, Sampler: a, Seed: 5") for name in "ab"})
    one = settings(PngFolderParams, tmp_path / "mine", kind="png_folder")
    scrape.read_import("mine", config.model_copy(update={"mine": one}), tmp_path / "out", removed={"mine:a.png"})
    assert tables.read(tmp_path / "out/records.parquet", RECORDS).column("source_id").to_pylist() == ["b.png"]
    dropped = tables.read(tmp_path / "out/dropped.parquet", tables.DROPPED).to_pylist()
    assert dropped == [{"sample_id": "mine:a.png", "drop_reason": "takedown"}]

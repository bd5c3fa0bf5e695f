import io
import json
from pathlib import Path

import pytest
from PIL import Image

from pipeline import downloading, params, tables
from pipeline.downloading import DOWNLOADS, FAILURES, DownloadParams
from pipeline.errors import InputError, SourceError
from pipeline.http import FetchError, Response
from pipeline.picture_store import LEDGER
from pipeline.sources.record import RECORDS
from stages import download
from tests.pipeline.made_records import record

ROOT = Path(__file__).parents[2]


def _config(**changes):
    values = {"timeout_s": 1.0, "attempts": 2, "max_mb": 1.0, "requests_per_s": 100.0, "min_success_share": 0.5}
    return DownloadParams.model_validate({**values, **changes})


def _png(colour):
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(stream, "PNG")
    return stream.getvalue()


def _get(url):
    number = url.rpartition("/")[2]
    if number == "3":
        raise FetchError(url, "not_found", status=404, attempts=1)
    content = {"4": b"<html>moved</html>", "5": _png("red")[:40]}.get(number, _png((0, 40 * int(number), 0)))
    return Response(url, 200, {}, content, 1)


@pytest.fixture
def records(tmp_path):
    path = tmp_path / "records.parquet"
    tables.write(tables.from_rows([record(str(number)) for number in range(6)], RECORDS), path, RECORDS)
    return path


def test_pictures_failures_and_a_report_are_written(tmp_path, records):
    download.download([records], tmp_path / "out", _config(), side_px=8, get=_get, workers=3)
    came = tables.read_shards(tmp_path / "out/parts", DOWNLOADS)
    assert came.column("sample_id").to_pylist() == ["lexica:0", "lexica:1", "lexica:2", "lexica:5"]
    failed = tables.read(tmp_path / "out/failures.parquet", FAILURES).to_pylist()
    assert [(row["sample_id"], row["reason"], row["status"]) for row in failed] == [
        ("lexica:3", "not_found", 404),
        ("lexica:4", "no_image", 200),
    ]
    ledger = tables.read(tmp_path / "out/ledger.parquet", LEDGER).to_pylist()
    assert [(row["status"], row["code"], row["reason"], row["attempts"]) for row in ledger] == [
        ("came", 200, None, 1),
        ("came", 200, None, 1),
        ("came", 200, None, 1),
        ("final", 404, "not_found", 1),
        ("failed", 200, "no_image", 1),
        ("came", 200, None, 1),
    ]
    digests = dict(zip(came.column("image_url").to_pylist(), came.column("image_sha256").to_pylist(), strict=True))
    assert {row["url"]: row["sha256"] for row in ledger if row["sha256"]} == digests
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["in"], report["out"], report["dropped"]) == (6, 4, {"no_image": 1, "not_found": 1})
    assert report["by_host"]["image.lexica.art"]["share"] == 0.6667
    with Image.open(tmp_path / "out/sheet.png") as chart:
        assert chart.width > 100


def test_the_number_of_workers_does_not_change_the_bytes(tmp_path, records, monkeypatch):
    for workers in (1, 4):
        monkeypatch.setenv("SUR_WORK", str(tmp_path / f"work-{workers}"))
        download.download([records], tmp_path / str(workers), _config(), side_px=8, get=_get, workers=workers)
    for name in ("parts/part-00000.parquet", "failures.parquet", "ledger.parquet", "report.json", "sheet.png"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "4" / name).read_bytes()


def test_too_few_pictures_fail_with_one_line_and_keep_what_came(tmp_path, records):
    told = r"only 4 of 6 pictures came .*share asks for 90%.*\(sur retry-failed; with --all also for 1 that are final\)"
    with pytest.raises(SourceError, match=told):
        download.download([records], tmp_path / "out", _config(min_success_share=0.9), side_px=8, get=_get, workers=1)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["failures.parquet", "ledger.parquet"]
    failed = tables.read(tmp_path / "out/failures.parquet", FAILURES)
    assert failed.column("reason").to_pylist() == ["not_found", "no_image"]
    assert tables.read(tmp_path / "out/ledger.parquet", LEDGER).num_rows == 6
    asked = []
    download.download(
        [records], tmp_path / "out", _config(), side_px=8, get=lambda url: asked.append(url) or _get(url), workers=1
    )
    assert [url[-1] for url in asked] == ["4"]  # a page may give way to its picture, what is not found stays so


def test_no_picture_at_all_fails_whatever_the_share(tmp_path, records):
    def down(url):
        raise FetchError(url, "connection_failed", attempts=2)

    with pytest.raises(SourceError, match=r"only 0 of 6 pictures came .*\(sur retry-failed\)"):
        download.download([records], tmp_path / "out", _config(min_success_share=0.0), side_px=8, get=down, workers=1)


def test_what_was_taken_down_is_not_asked_for_and_counted(tmp_path, records):
    asked = []
    removed = {"lexica:0", "https://image.lexica.art/1"}
    get = lambda url: asked.append(url) or _get(url)  # noqa: E731
    download.download([records], tmp_path / "out", _config(), side_px=8, get=get, workers=1, removed=removed)
    assert [url[-1] for url in asked] == ["2", "3", "4", "5"]
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["in"], report["out"], report["dropped"]["takedown"]) == (6, 2, 2)


def test_shards_end_at_a_number_of_bytes(tmp_path, records, monkeypatch):
    monkeypatch.setattr(download, "SHARD_BYTES", 1)
    monkeypatch.setattr(downloading, "READ_ROWS", 2)
    download.download([records], tmp_path / "out", _config(), side_px=8, get=_get, workers=1)
    assert [tables.count(path) for path in tables.shards(tmp_path / "out/parts")] == [2, 2]


def test_missing_records_are_told(tmp_path):
    with pytest.raises(InputError, match="run the stage that writes it"):
        download.download([tmp_path / "none.parquet"], tmp_path / "out", _config(), side_px=8, get=_get, workers=1)


def test_main_downloads_from_the_sites_of_the_enabled_sources(tmp_path, monkeypatch):
    text = (ROOT / "params.yaml").read_text()
    enabled = params.load(download.SourcesParams, "sources", ROOT / "params.yaml").enabled
    (tmp_path / "takedown.txt").write_text("")
    (tmp_path / "params.yaml").write_text(text.replace(", ".join(enabled), "lexica", 1))
    monkeypatch.chdir(tmp_path)
    from miniature import site_answers
    from miniature.site_posts import posts_of

    rows = [record(post.source_id, image_url=site_answers.image_url(post)) for post in posts_of("lexica")[:12]]
    tables.write(tables.from_rows(rows, RECORDS), tmp_path / "data/scrape/lexica/records.parquet", RECORDS)
    download.main()
    assert tables.read_shards(tmp_path / "data/download/parts", DOWNLOADS).num_rows >= 10

import shutil
from contextlib import contextmanager

import pytest

from pipeline import app, picture_session, tables
from pipeline.http import FetchError, Response
from pipeline.picture_store import Failure, PictureStore
from pipeline.sources.record import RECORDS
from tests.closure import ROOT
from tests.pipeline.faults.pictures import png
from tests.pipeline.made_records import record

SITES = ("lexica", "civitai", "stable_diffusion_online")
URL = "https://image.lexica.art/{}"


class Session:
    def __init__(self):
        self.asked, self.down = [], set()

    def get(self, url):
        self.asked.append(url)
        if url in self.down:
            raise FetchError(url, "http_503", status=503, attempts=4)
        return Response(url, 200, {}, png("red"), 1)


@pytest.fixture
def session(tmp_path, monkeypatch):
    """Six records: 0 came, 1 and 2 failed, 3 is gone, 4 was never asked, 5 has failed but is no longer wanted."""
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "takedown.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    for site in SITES:
        rows = [record(str(number)) for number in range(5)] if site == "lexica" else []
        path = tmp_path / "data/scrape" / site / "records.parquet"
        tables.write(tables.from_rows(rows, RECORDS), path, RECORDS)
    made = PictureStore(20.0)
    made.note(Failure(URL.format(number), "http_503", 503, 4) for number in (1, 2, 5))
    made.note([Failure(URL.format(3), "not_found", 404, 1)])
    made._rows.add(tables.from_rows([_row(URL.format(0))], made._rows.schema))
    fake = Session()

    @contextmanager
    def opened(config, sources):
        yield fake.get

    monkeypatch.setattr(picture_session, "opened", opened)
    return fake


def _row(url):
    return {"key": url, "status": 200, "attempts": 1, "sha256": "0", "content": png("green")}


def run(*arguments):
    with pytest.raises(SystemExit) as caught:
        app.main(arguments)
    return caught.value.code


def test_what_failed_and_may_come_now_is_asked_again(session, capsys):
    session.down = {URL.format(2)}
    assert run("retry-failed") == 0
    assert sorted(session.asked) == [URL.format(1), URL.format(2)]
    told = capsys.readouterr().err
    assert "1 of 2 pictures came; to put them into data/download: dvc repro -s -f download" in told
    assert "1 failed again: http_503" in told
    assert set(PictureStore(20.0).failures([URL.format(number) for number in range(6)])) == {
        URL.format(number) for number in (2, 3, 5)
    }


def test_on_demand_what_is_gone_is_asked_for_too(session):
    assert run("retry-failed", "--all") == 0
    assert sorted(session.asked) == [URL.format(number) for number in (1, 2, 3)]


@pytest.mark.parametrize("entry", [URL.format(1), "lexica:1", f"{URL.format(1)}  # removed 2026-11-20"])
def test_what_the_takedown_list_names_is_not_asked_for(session, tmp_path, entry):
    (tmp_path / "takedown.txt").write_text(f"{entry}\n")
    assert run("retry-failed", "--all") == 0
    assert sorted(session.asked) == [URL.format(2), URL.format(3)]


def test_where_nothing_failed_nobody_is_asked(session, capsys):
    run("retry-failed", "--all")
    session.asked.clear()
    assert run("retry-failed") == 0
    assert session.asked == []
    assert "no picture has failed" in capsys.readouterr().err


def test_before_the_first_scrape_one_line_says_what_to_run(tmp_path, monkeypatch, capsys):
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "takedown.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    assert run("retry-failed") == 1
    assert "records.parquet is missing" in capsys.readouterr().err

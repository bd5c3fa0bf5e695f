from pathlib import Path

from ruamel.yaml import YAML

from pipeline.sources.local_pictures import address
from pipeline.takedown import telling
from pipeline.takedown.traces import Traces
from tests.closure import ROOT

IMPORT = {
    "kind": "png_folder",
    "path": "/data/outputs",
    "revision": "1",
    "access_basis": "my own pictures",
    "licence": "CC0-1.0",
    "licence_url": "https://example.org/cc0",
    "page_url": "https://example.org/mine",
    "max_records": 10,
}


def test_the_file_of_an_import_is_named_where_the_settings_still_know_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = YAML(typ="safe").load(ROOT / "params.yaml")
    settings["sources"]["mine"] = IMPORT
    with Path("params.yaml").open("w") as stream:
        YAML().dump(settings, stream)
    known, forgotten = address("mine", "a b/c.png", "0" * 64), address("old", "c.png", "0" * 64)
    telling.what_stays(Traces(addresses={known, forgotten, "https://a.org/1"}), [])
    start = "  stays, an import's folder is yours; delete it there: "
    assert capsys.readouterr().out.splitlines() == [
        f"{start}/data/outputs/a b/c.png, {known}",
        f"{start}{forgotten}",
    ]


def test_what_to_do_depends_on_the_place():
    assert telling.remedy(Path("reviews/triplets/ann.json")).startswith("people's answers")
    assert telling.remedy(Path(".dvc/tmp/exps/a/b.txt")).startswith("a queued experiment's copy")
    assert telling.remedy(Path("data/x.txt")) == "rm data/x.txt"

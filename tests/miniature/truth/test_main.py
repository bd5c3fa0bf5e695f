import json
import re
import shutil

import numpy as np
import pytest

from miniature.truth import __main__ as truth
from miniature.truth import encoders
from pipeline import cli
from pipeline.clip_rule import ClipParams
from pipeline.params import load
from tests.closure import ROOT
from tests.miniature.truth import made


def _encoder(*names):
    """Vectors that know how long a sentence is."""
    return lambda config, compute: (
        lambda texts: {name: np.array([[len(text), text.count("a"), 1.0] for text in texts]) for name in names}
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with the settings and the data of a run, and encoders that need no weights."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(truth, "TRAINING", 60)
    monkeypatch.setattr(truth, "HELD_OUT", 30)
    layer = str(load(truth.LlmParams, "llm").layer)
    monkeypatch.setattr(encoders, "llm_layers", _encoder("1", layer))
    monkeypatch.setattr(encoders, "text_encoder", _encoder(encoders.TEXT))
    made.write(tmp_path / "data", margin=load(ClipParams, "clip").margin)
    return tmp_path


def test_the_command_writes_figures_charts_and_a_page_that_shows_them(run, capsys):
    truth.main()
    assert "truth: docs/truth.md, docs/truth.json" in capsys.readouterr().err
    page = (run / "docs" / "truth.md").read_text()
    figures = json.loads((run / "docs" / "truth.json").read_text())
    assert re.findall(r"^## (.*)", page, re.MULTILINE) == [
        "Captions", "The CLIP rule", "Near duplicates", "Cleaning reasons", "LLM probes by layer",
    ]  # fmt: skip
    pictures = re.findall(r"!\[[^]]+\]\((images/truth-[^)]+\.png)\)", page)
    assert len(pictures) == 4
    assert {path.name for path in (run / "docs" / "images").iterdir()} == {name.split("/")[1] for name in pictures}
    assert figures["captions"]["by_kind"]["all"]["captions"] == 11
    assert figures["cleaning"]["by_fault"]["tiny"]["recall"] == 1.0
    assert figures["duplicates"]["pairs"]["exact"]["pairs"] == 0
    assert figures["probes"]["sentences"]["held_out"] == 60
    assert sum(figures["probes"]["sentences"]["by_field"].values()) <= 120
    assert figures["models"]["LLM"] in page


def test_the_same_run_gives_the_same_bytes(run):
    truth.main()
    first = {path.name: path.read_bytes() for path in (run / "docs").rglob("*.*") if path.is_file()}
    truth.main()
    assert first == {path.name: path.read_bytes() for path in (run / "docs").rglob("*.*") if path.is_file()}


def test_without_a_run_one_line_says_what_to_do(run, capsys):
    shutil.rmtree(run / "data")
    assert cli.guarded(truth.main) == 1
    assert re.fullmatch(
        r"error: data/scrape/\w+/records.parquet is missing: run dvc repro first\n", capsys.readouterr().err
    )
    assert not (run / "docs").exists()

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.report.paper import Run
from pipeline.report.render import Picture
from stages import report as stage
from tests.closure import ROOT
from tests.pipeline.report.folder import MODELS, draw, write_data

RUN = Run("miniature/models/diffusion", "llm", 20, "sur", llm_loss=True, complex_prompt_loss=True)
SETTING = stage.Setting(MODELS, RUN, "A title")


def _pictures(data: Path) -> list[Picture]:
    return [Picture(draw(data / "sample/grids.png"), "grids", wide=True), Picture(data / "none.png", "not drawn")]


def test_the_report_says_what_it_shows_and_what_it_lacks(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    stage.report(data, data / "report", SETTING, pictures=_pictures(data))
    found = json.loads((data / "report" / "report.json").read_text())
    assert found["headline"].startswith("With the adapter more images are right for colour.")
    assert [Path(name).name for name in found["pictures_missing"]] == ["none.png"]
    assert "Table 4: layers of the LLM" in found["not_in_this_run"]
    assert sorted(path.name for path in (data / "report" / "plots").iterdir()) == [
        "differences.png",
        "funnel.png",
        "losses.png",
    ]
    assert "A title" in (data / "report" / "report.html").read_text()
    assert "plots/losses.png" in (data / "report" / "report.md").read_text()


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    for name in ("one", "two"):
        stage.report(data, tmp_path / name, SETTING, pictures=_pictures(data))
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_a_report_without_an_evaluation_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run the stage that writes it"):
        stage.report(tmp_path, tmp_path / "report", SETTING, pictures=[])
    assert not (tmp_path / "report").exists()


def test_main_reads_models_and_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = (ROOT / "params.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(params)
    write_data(Path("data"))
    stage.main()
    text = Path("data/report/report.md").read_text()
    assert text.startswith("# Adapter sur, eta ")
    assert "miniature/models/blip" in text
    assert len(json.loads(Path("data/report/report.json").read_text())["pictures_missing"]) == len(stage.PICTURES)


def test_every_key_that_the_report_reads_is_listed_in_dvc_yaml() -> None:
    """Its sections' models are small: what they have is what it reads."""
    listed = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]["report"]["params"]
    named = {section: [stage.Named] for section in ("blip", "clip", "llm", "diffusion")}
    named["llm"].append(stage.Layer)
    read = {**named, "adapter": [stage.Dial], "loss": [stage.Weights]}
    keys = {f"{section}.{key}" for section, models in read.items() for model in models for key in model.model_fields}
    assert keys == set(listed)


def test_the_title_names_no_llm_where_the_weights_are_the_authors() -> None:
    own, official = (stage.Dial(kind="sur", compat=compat, eta=0.1) for compat in ("none", "official"))
    assert stage._title(own, "sd", "layer 40 of llama") == "Adapter sur, eta 0.1: sd with layer 40 of llama"
    assert stage._title(official, "sd", "layer 40 of llama") == "Adapter sur, the authors' weights, eta 0.1: sd"

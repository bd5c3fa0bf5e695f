"""What `check` says of methods before anything runs."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import checking
from pipeline.errors import SettingError
from pipeline.model_folders import folder_digest
from tests.closure import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with this project's settings; models are the project's own, prompts are copied."""
    (tmp_path / "miniature").symlink_to(ROOT / "miniature")
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return Path("params.yaml")


def change(path, **values):
    """Set keys by their dotted names, dots written as two underscores."""
    yaml = YAML(typ="rt")
    document = yaml.load(path.read_text())
    for key, value in values.items():
        *sections, last = key.split("__")
        place = document
        for section in sections:
            place = place[section]
        place[last] = value
    with path.open("w") as stream:
        yaml.dump(document, stream)


def fault(path, **values):
    change(path, **values)
    with pytest.raises(SettingError) as caught:
        checking.examine(path)
    [line] = str(caught.value).splitlines()
    return line


EVERY = ["none", "canny", "seg", "weighting", "panorama", "sag", "pag"]


def test_all_methods_of_the_miniature_are_good(project):
    change(project, sample__methods=EVERY)
    assert checking.examine(project) == []


@pytest.mark.parametrize("name", ["canny", "seg"])
def test_a_method_without_its_controlnet_is_one_line(project, name):
    line = fault(project, **{"sample__methods": ["none", name], f"sample__controlnets__{name}": None})
    assert line.startswith(f"sample.methods names {name}, which needs a ControlNet: set sample.controlnets.{name}")
    assert "(params.yaml, line " in line


def test_a_method_that_is_not_asked_for_needs_nothing(project):
    change(project, sample__controlnets={"canny": None, "seg": None})
    assert checking.examine(project) == []


def test_a_controlnet_of_another_content_is_refused(project):
    line = fault(project, sample__methods=["seg"], sample__controlnets__seg__revision="ffffffffffffffff")
    assert line.startswith("sample.controlnets.seg.model is not usable: ")


def test_a_controlnet_of_another_base_model_is_refused(project):
    cartoon = Path("miniature/models/cartoon")
    line = fault(
        project,
        sample__methods=["seg"],
        diffusion__model=str(cartoon),
        diffusion__revision=(cartoon / "REVISION").read_text().strip(),
    )
    assert "sample.controlnets.seg.model is for another base model than miniature/models/cartoon: its " in line


def test_a_hub_controlnet_is_noted(project):
    change(
        project,
        sample__methods=["canny"],
        sample__controlnets__canny__model="owner/controlnet",
        sample__controlnets__canny__revision="main",
    )
    assert any("owner/controlnet comes from the hub" in note for note in checking.examine(project))


def test_a_prompt_in_force_without_a_conditioning_picture_is_told(project):
    Path("prompts/conditioning/miniature-seg/miniature-action-00.png").unlink()
    line = fault(project, sample__methods=["seg"])
    assert "has no picture for 1 of the prompts: put miniature-action-00.png" in line


@pytest.mark.parametrize("folder", ["elsewhere", "prompts/../elsewhere"])
def test_conditioning_pictures_that_dvc_does_not_watch_are_refused(project, folder):
    line = fault(project, sample__methods=["seg"], sample__controlnets__seg__folder=folder)
    assert f"sample.controlnets.seg.folder must lie in prompts/, which DVC watches, got {folder}" in line


def test_edges_of_the_complex_wording_need_one(project):
    line = fault(project, sample__methods=["canny"], sample__prompts=["prompts/paper.json"])
    assert line.startswith("sample.controlnets.canny.source must be another than complex: prompt paper-")


def test_a_panorama_the_vae_cannot_make_is_refused_and_one_window_is_noted(project):
    line = fault(project, sample__methods=["panorama"], sample__panorama__width_px=100)
    assert "sample.panorama.width_px must be a multiple of 8, the VAE's step, got 100" in line
    change(project, sample__panorama__width_px=64)
    assert any("there is one window, which is plain sampling" in note for note in checking.examine(project))


def test_a_missing_model_of_another_scheduler_is_told(project):
    named = {"model": "/nowhere", "revision": "ff"}
    line = fault(project, sample__methods=["panorama"], sample__panorama__scheduler_of=named)
    assert line.startswith("sample.panorama.scheduler_of is not usable: ")


def test_weights_of_words_do_not_go_with_the_authors_adapter(project):
    from hashlib import sha256

    from tests.pipeline.adapters import official_file

    official_file.write(Path("theirs.pt"), official_file.state(width=128))
    digest = sha256(Path("theirs.pt").read_bytes()).hexdigest()
    line = fault(
        project,
        sample__methods=["weighting"],
        adapter__compat="official",
        adapter__official_checkpoint={"path": "theirs.pt", "sha256": digest},
    )
    assert line.startswith("sample.methods weighting works with kinds sur and none")


def test_sdxl_has_plain_sampling_alone(project, monkeypatch):
    from pipeline import base_models

    kind = base_models.Kind(two_encoders=True, zeroes_empty_text=True)
    monkeypatch.setattr(base_models, "kind", lambda *_: kind)
    change(project, sample__methods=["none", "sag"])
    with pytest.raises(SettingError, match=r"sample\.methods must be \[none\] with an SDXL base model, got sag too"):
        checking.examine(project)


def test_a_controlnet_does_not_go_with_llmdiff(project):
    line = fault(
        project,
        sample__methods=["none", "canny"],
        adapter__kind="llmdiff",
        adapter__eta=1.0,
        llm__states="blocks",
    )
    assert line.startswith("sample.methods canny hears text states, adapter.kind: llmdiff has none")


def test_a_missing_file_of_prompts_is_not_laid_at_the_pictures_door(project):
    line = fault(project, sample__methods=["seg"], sample__prompts=["prompts/gone.json"])
    assert line == "prompt file prompts/gone.json is missing: see sample.prompts"


@pytest.mark.parametrize("beta_end", [0.02, 0.012])
def test_a_scheduler_with_the_models_own_noise_levels_is_noted_to_change_nothing(project, tmp_path, beta_end):
    ours = Path("miniature/models/diffusion/scheduler/scheduler_config.json").read_text()
    assert '"beta_end": 0.02,' in ours
    theirs = tmp_path / "other/scheduler/scheduler_config.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text(ours.replace('"beta_end": 0.02,', f'"beta_end": {beta_end},'))
    named = {"model": str(tmp_path / "other"), "revision": folder_digest(tmp_path / "other")}
    change(project, sample__methods=["none", "panorama"], sample__panorama__scheduler_of=named)
    same = "sample.panorama.scheduler_of has the noise levels of diffusion.model: it changes nothing"
    assert checking.examine(project) == ([same] if beta_end == 0.02 else [])

import pytest
from ruamel.yaml import YAML

from bench.real_run import profile
from pipeline.params import load_all
from pipeline.settings import Settings

MODELS = {name: (f"/models/{name}", f"{name:0<16}") for name in profile.SECTIONS.values()}


def flat(value, key=""):
    if isinstance(value, dict) and value:
        return {k: v for name, part in value.items() for k, v in flat(part, f"{key}.{name}").items()}
    return {key.removeprefix("."): value}


def read(text):
    return YAML(typ="safe").load(text)


def test_the_profile_is_the_papers_but_for_the_changes():
    assert profile.PROFILE.read_text() == profile.derived(), "python -m bench.real_run --profile writes it"
    paper, ours = (flat(read(path.read_text())) for path in (profile.PAPER, profile.PROFILE))
    changed = {key for key in ours if key not in paper or ours[key] != paper[key]}
    assert not set(paper) - set(ours)
    assert changed == set(flat(dict(profile.CHANGES)))


def test_the_issue_s_values_stand_in_it():
    ours = read(profile.PROFILE.read_text())
    assert (ours["llm"]["layer"], ours["train"]["steps"], ours["train"]["batch_size"]) == (32, 2, 16)
    assert (ours["sources"]["enabled"], ours["sources"]["drawn"]["max_records"]) == (["drawn"], 8)
    assert (ours["sample"]["steps"], ours["sample"]["images_per_prompt"]) == (2, 1)
    assert (ours["review"]["require"], ours["clip"]["margin"]) == (False, -100.0)
    assert (ours["compute"]["micro_batch"], ours["image"]["side_px"]) == (1, 512)


def test_filled_in_it_names_models_pictures_and_threads(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    text = profile.filled(MODELS, tmp_path / "pictures", side_px=64)
    assert profile.FILLED not in text
    path = tmp_path / "params.yaml"
    path.write_text(text)
    settings = load_all(Settings, path)
    assert (settings.llm.model, settings.llm.revision) == MODELS["llama"]
    assert (settings.diffusion.model, settings.clip.model) == (MODELS["diffusion"][0], MODELS["clip"][0])
    assert settings.sources.enabled_imports["drawn"].path == str(tmp_path / "pictures")
    assert (settings.compute.threads, settings.image.side_px) == (3, 64)


@pytest.mark.parametrize(("told", "cores", "threads"), [("2", 8, 2), ("", 8, 8), ("", None, 1)])
def test_threads_are_what_the_environment_says_else_all_cores(monkeypatch, told, cores, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert profile.threads() == threads

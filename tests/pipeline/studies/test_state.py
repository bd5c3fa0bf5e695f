import json

import pytest

from pipeline import params
from pipeline.errors import InputError, SettingError
from pipeline.settings import Settings
from pipeline.studies import state
from tests.closure import ROOT
from tests.pipeline.studies.fake_dvc import FakeDvc
from tests.pipeline.studies.test_definitions import changed

WIRING = """
stages:
  scrape:
    matrix: {source: [a]}
    cmd: python scrape.py
    deps: [scrape.py]
    outs: ["data/scrape/${item.source}/records"]
    metrics: [{data/scrape/report.json: {cache: false}}]
  train:
    cmd: python train.py
    deps: [data/scrape, data/scrape/report.json, "data/scrape/layer_${llm.layer}", prompts, train.py]
    outs: [data/adapter]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    settings = params.load_all(Settings, ROOT / "params.yaml")
    (tmp_path / "dvc.yaml").write_text(WIRING)
    (tmp_path / "params.yaml").write_text("llm:\n  model: x\n")
    (tmp_path / "prompts").mkdir()
    for name in ("prompts/mine.json", "scrape.py", "train.py"):
        (tmp_path / name).write_text("first")
    monkeypatch.chdir(tmp_path)
    tracked = {"prompts": ["prompts/mine.json"], "train.py": ["train.py"], "scrape.py": ["scrape.py"]}
    return tmp_path, settings, FakeDvc(tmp_path / "logs", tracked=tracked)


def test_what_stages_read_and_no_stage_writes_decides(project):
    folder, settings, dvc = project
    first = state.fingerprint(settings, dvc)
    assert dvc.said[-1] == "git ls-files -z --cached -- prompts scrape.py train.py"
    (folder / "README.md").write_text("read me")
    assert state.fingerprint(settings, dvc) == first
    (folder / "train.py").write_text("second")
    assert state.fingerprint(settings, dvc) != first


def test_a_file_that_is_gone_settings_and_wiring_decide_too(project):
    folder, settings, dvc = project
    seen = {state.fingerprint(settings, dvc)}
    seen.add(state.fingerprint(changed(settings, "train", steps=settings.train.steps + 1), dvc))
    (folder / "prompts/mine.json").unlink()
    seen.add(state.fingerprint(settings, dvc))
    (folder / "dvc.yaml").write_text(WIRING.replace("train.py\n", "train.py --fast\n", 1))
    seen.add(state.fingerprint(settings, dvc))
    assert len(seen) == 4


def test_comments_and_the_machines_own_settings_do_not(project):
    folder, settings, dvc = project
    first = state.fingerprint(settings, dvc)
    (folder / "dvc.yaml").write_text(f"# a comment\n{WIRING}")
    assert state.fingerprint(changed(settings, "compute", threads=settings.compute.threads + 1), dvc) == first


def test_a_file_that_git_does_not_know_is_told_before_anything_runs(project):
    _, settings, dvc = project
    dvc.untracked = ["prompts/new.json"]
    with pytest.raises(InputError, match=r"^prompts/new\.json not in git.*git add prompts/new\.json$"):
        state.fingerprint(settings, dvc)
    dvc.untracked = ["prompts/new.json", "train2.py"]
    with pytest.raises(InputError, match="and 1 more not in git"):
        state.fingerprint(settings, dvc)


def test_pages_of_studies_decide_nothing(project):
    folder, settings, dvc = project
    first = state.fingerprint(settings, dvc)
    wiring = WIRING + "  report:\n    cmd: python report.py\n    deps: [docs/studies]\n    outs: [data/report]\n"
    (folder / "dvc.yaml").write_text(wiring)
    dvc.tracked["docs/studies"] = ["docs/studies/layers.json"]
    (folder / "docs/studies").mkdir(parents=True)
    seen = set()
    for content in ("first", "second"):
        (folder / "docs/studies/layers.json").write_text(content)
        seen.add(state.fingerprint(settings, dvc))
    assert len(seen) == 1
    assert seen != {first}  # the wiring decides


def test_outside_of_git_nothing_can_be_queued(project):
    _, settings, dvc = project
    dvc.refuses = {"ls-files": "not a git repository"}
    with pytest.raises(InputError, match="git cannot list the files of this folder: not a git repository"):
        state.fingerprint(settings, dvc)


@pytest.fixture
def elsewhere(project):
    """The settings in force with all models outside of the project."""
    _, settings, _ = project
    content = json.loads(settings.model_dump_json().replace("miniature/models", "/models"))
    content["sample"]["controlnets"] = {"canny": None, "seg": None}
    return Settings.model_validate(content)


def test_a_relative_model_folder_must_be_in_git(project, elsewhere):
    folder, _, dvc = project
    mine = elsewhere
    for model, good in (("models/sub/llama", False), (str(folder), True), ("~/llama", True), ("huggyllama/x", True)):
        asked = changed(mine, "llm", model=model)
        if good:
            state.require_visible_models(asked, dvc)
        else:
            with pytest.raises(SettingError, match=r"llm\.model is a relative path.*an absolute path, got models/sub"):
                state.require_visible_models(asked, dvc)
    dvc.tracked["models/sub/llama"] = ["models/sub/llama/config.json"]
    state.require_visible_models(changed(mine, "llm", model="models/sub/llama"), dvc)


def public(path):
    return {"format": "t2i_compbench", "path": path, "revision": "0"}


NAMED = {"model": "far/off/net", "revision": "0"}
COLOURS = {**NAMED, "library": "transformers", "weights": None, "dtype": "float32"}
RULES = {"threshold": 0.3, "counting_threshold": 0.9, "position_threshold": 0.1, "max_objects": 16}
DETECTOR = {"kind": "detector", **NAMED, "model": "/x", "dtype": "float32", "query": "{}", **RULES}
FOLDERS = {
    "access_basis": "own",
    "licence": "CC0-1.0",
    "licence_url": "https://a.example/l",
    "page_url": "https://a.example",
    "max_records": 9,
}


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("sample.controlnets.seg", {**NAMED, "scale": 1.0, "folder": "prompts/none"}, "sample.controlnets.seg.model"),
        ("sample.panorama.scheduler_of", NAMED, "sample.panorama.scheduler_of.model"),
        ("sample.prompts", [public("own/colours.txt")], "sample.prompts.0.path"),
        ("evaluate.metrics.0.model", "far/off/net", "evaluate.metrics.0.model"),
        ("evaluate.metrics.0.weights", "own/colours.txt", "evaluate.metrics.0.weights"),
        ("evaluate.judges", [{**DETECTOR, "colours": COLOURS}], "evaluate.judges.0.colours.model"),
        ("clip.weights", "own/colours.txt", "clip.weights"),
    ],
)
def test_whatever_a_stage_reads_must_be_in_git_or_have_an_absolute_path(project, elsewhere, key, value, told):
    folder, _, dvc = project
    (folder / "own").mkdir()
    (folder / "own/colours.txt").write_text("a red cup")
    content = json.loads(elsewhere.model_dump_json())
    content["clip"]["model"] = content["evaluate"]["metrics"][0]["model"] = "ViT-B-32"
    state.require_visible_models(Settings.model_validate(content), dvc)
    *sections, last = key.split(".")
    place = content
    for section in sections:
        place = place[int(section) if section.isdigit() else section]
    place[last] = value
    with pytest.raises(SettingError) as caught:
        state.require_visible_models(Settings.model_validate(content), dvc)
    assert str(caught.value).startswith(
        f"{told} is a relative path that git does not hold, so queued experiments do not"
    )


@pytest.mark.parametrize("enabled", [True, False])
def test_an_import_counts_only_where_it_is_enabled(project, elsewhere, enabled):
    folder, _, dvc = project
    (folder / "own").mkdir()
    content = json.loads(elsewhere.model_dump_json())
    content["sources"]["mine"] = {"kind": "png_folder", "path": "own", "revision": "a", **FOLDERS}
    content["sources"]["enabled"] += ["mine"] if enabled else []
    settings = Settings.model_validate(content)
    if enabled:
        with pytest.raises(SettingError, match=r"^sources\.mine\.path is a relative path that git does not hold"):
            state.require_visible_models(settings, dvc)
    else:
        state.require_visible_models(settings, dvc)

"""Studies that a file describes."""

import pytest

from pipeline import params, prompts
from pipeline.errors import SettingError
from pipeline.report import paper
from pipeline.settings import Settings
from pipeline.studies import from_file
from pipeline.studies.definitions import LIMIT
from tests.closure import ROOT

ROWS = """\
title: Two rates
rows:
- {key: slow, label: a slow one, set: {train.learning_rate: 1.0e-4}}
- {key: in-force, label: the one in force, set: {}}
contrasts:
- {about: A slow rate, where: here, present: slow, absent: in-force}
"""


@pytest.fixture
def settings():
    return params.load_all(Settings, ROOT / "params.yaml")


@pytest.fixture
def refused(settings, tmp_path):
    def of(content, name="rates.yaml"):
        path = tmp_path / name
        path.write_text(content)
        with pytest.raises(SettingError) as caught:
            from_file.read(path, settings)
        return str(caught.value)

    return of


def test_rows_and_contrasts_are_those_of_the_file(settings, tmp_path):
    path = tmp_path / "rates.yaml"
    path.write_text(ROWS)
    made = from_file.read(path, settings)
    assert (made.name, made.title, made.file) == ("rates", "Two rates", path.as_posix())
    assert [(row.key, row.overrides) for row in made.rows] == [
        ("slow", {"train.learning_rate": 1e-4}),
        ("in-force", {}),
    ]
    assert [(pair.present, pair.absent) for pair in made.contrasts] == [("slow", "in-force")]
    assert {row.overrides[LIMIT] for row in from_file.read(path, settings, prompts_per_type=3).rows} == {3}


def test_a_row_that_params_yaml_would_refuse_is_one_line(refused):
    assert "row slow: train.learning_rat is not a setting" in refused(ROWS.replace("rate:", "rat:"))
    assert "row slow: trains.learning_rate is not a setting" in refused(ROWS.replace("train.", "trains."))
    assert "row slow: train.learning_rate should be a valid number, got 'x'" in refused(ROWS.replace("1.0e-4", "x"))


def test_a_file_that_is_no_study_is_one_line(refused, settings, tmp_path):
    assert "two rows have the key slow" in refused(ROWS.replace("in-force", "slow"))
    assert "two rows have the label a slow one" in refused(ROWS.replace("the one in force", "a slow one"))
    assert "names fast, which is no row's key" in refused(ROWS.replace("present: slow", "present: fast"))
    assert "has the name of a study that is there already" in refused(ROWS, "seeds.yaml")
    assert "rows.0.labels is not a setting" in refused(ROWS.replace("label: a slow", "labels: a slow"))
    with pytest.raises(SettingError, match=r"nowhere.yaml is missing: studies that need no file are seeds, "):
        from_file.read(tmp_path / "nowhere.yaml", settings)


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_files_that_come_with_the_project_fit_their_profile(path):
    profile = "paper" if path.stem.startswith("paper-") else "miniature"
    settings = params.load_all(Settings, ROOT / f"profiles/{profile}.yaml")
    made = from_file.read(path, settings)
    for row in made.rows:
        changed = from_file.changed(settings, row.overrides, row.key)
        for model in (changed.llm, changed.diffusion):
            folder = ROOT / model.model
            assert profile == "paper" or (folder / "REVISION").read_text().strip() == model.revision


def test_nine_prompts_are_the_papers_where_its_profile_is_in_force() -> None:
    in_force = params.load_all(Settings, ROOT / "profiles/paper.yaml")
    (row,) = from_file.read(ROOT / "studies/paper-nine-prompts.yaml", in_force).rows
    sample = from_file.changed(in_force, row.overrides, "nine").sample
    chosen = prompts.first_of_each_type(prompts.read(ROOT / each for each in sample.prompts), sample.limit_per_type)
    assert {prompt.text for prompt in chosen} == set(paper.table_7())
    assert sample.images_per_prompt == 130


def test_each_of_the_papers_models_takes_the_others_noise_levels_in_panoramas() -> None:
    in_force = params.load_all(Settings, ROOT / "profiles/paper.yaml")
    rows = from_file.read(ROOT / "studies/paper-methods.yaml", in_force).rows
    made = [from_file.changed(in_force, row.overrides, row.key) for row in rows]
    assert {each.diffusion.model: each.sample.panorama.scheduler_of.model for each in made} == {
        "stable-diffusion-v1-5/stable-diffusion-v1-5": "nitrosocke/Ghibli-Diffusion",
        "nitrosocke/Ghibli-Diffusion": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    }

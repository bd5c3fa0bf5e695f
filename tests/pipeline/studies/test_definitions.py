import pytest
from ruamel.yaml import YAML

from pipeline import llm, params
from pipeline.errors import SettingError
from pipeline.settings import Settings
from pipeline.studies import definitions
from pipeline.studies.definitions import ALIGNMENT, LIMIT, LLM, STUDIES, TRIED, all_prompts, define, in_force
from tests.closure import ROOT


def changed(settings, section, **values):
    return settings.model_copy(update={section: getattr(settings, section).model_copy(update=values)})


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = params.load_all(Settings, ROOT / "params.yaml")
    return changed(found, "loss", llm_weight=0.25, alignment_weight=0.5)


@pytest.mark.parametrize("name", STUDIES)
def test_each_row_has_a_name_of_its_own_and_changes_settings_that_exist(name, settings):
    made = define(name, settings)
    assert len({row.key for row in made.rows}) == len({row.label for row in made.rows}) == len(made.rows)
    document = settings.model_dump()
    for row in made.rows:
        for key in row.overrides:
            section, field = key.split(".")
            assert field in document[section]
    keys = {row.key for row in made.rows}
    assert all({pair.present, pair.absent} <= keys for pair in made.contrasts)


def test_five_seeds_change_all_three_draws_and_take_all_prompts(settings):
    made = define("seeds", settings)
    whole = all_prompts(settings)
    assert len(made.rows) == 5
    for seed, row in enumerate(made.rows):
        draws = {"train.seed": seed, "adapter.seed": seed, "loss.w0_seed": seed}
        assert dict(row.overrides) == {LIMIT: whole, **draws}


def test_all_prompts_are_those_of_the_largest_skill(settings):
    assert all_prompts(changed(settings, "sample", prompts=("prompts/paper.json",))) == 15


def test_a_number_of_prompts_holds_for_all_rows(settings):
    for name in set(STUDIES) - {"choice"}:
        assert {row.overrides[LIMIT] for row in define(name, settings, prompts_per_type=7).rows} == {7}
    assert LIMIT not in define("ablation", settings).rows[0].overrides


def test_the_ablation_has_all_four_combinations_and_compares_what_differs_in_one(settings):
    made = define("ablation", settings)
    rows = {row.key: row.overrides for row in made.rows}
    combinations = {(rows[key].get(LLM, "on"), rows[key].get(ALIGNMENT, "on")) for key in rows}
    assert combinations == {("on", "on"), ("on", 0.0), (0.0, "on"), (0.0, 0.0)}
    for pair in made.contrasts:
        about = LLM if pair.about == definitions.THE_LLM else ALIGNMENT
        assert {**rows[pair.present], about: 0.0} == rows[pair.absent]


@pytest.mark.parametrize(("field", "name"), [("llm_weight", "ablation"), ("alignment_weight", "ablation")])
def test_a_loss_that_is_off_cannot_be_switched_off(settings, field, name):
    with pytest.raises(SettingError, match=rf"loss\.{field} must be above 0.*params.yaml, line"):
        define(name, changed(settings, "loss", **{field: 0.0}))


@pytest.mark.parametrize(
    ("there", "expected"),
    [(40, [1, 10, 20, 30, 40]), (32, [1, 10, 20, 30, 32]), (10, [1, 10]), (None, [1, 10, 20, 30, 40])],
)
def test_layers_end_at_the_llms_last_and_a_control_has_none(settings, monkeypatch, there, expected):
    monkeypatch.setattr(llm, "layer_count", lambda *_: there)
    *rows, control = define("layers", changed(settings, "llm", layers="all")).rows
    assert [row.layer for row in rows] == [row.overrides["llm.layer"] for row in rows] == expected
    assert control.layer is None
    assert dict(control.overrides) == {LLM: 0.0}


def test_layers_that_are_not_cached_are_told(settings, monkeypatch):
    monkeypatch.setattr(llm, "layer_count", lambda *_: 20)
    assert define("layers", changed(settings, "llm", layers=(1, 5, 10, 20))).rows
    with pytest.raises(SettingError, match=r"llm\.layers must be all or hold 1, 10, 20 for this study, got \[20\]"):
        define("layers", changed(settings, "llm", layers=(20,)))


def test_the_papers_row_changes_the_recipe_and_nothing_else(settings):
    mine = changed(changed(settings, "train", steps=7, seed=9, precision="fp16"), "adapter", eta=0.77)
    ours, paper = define("paper-values", mine).rows
    theirs = YAML(typ="safe").load((ROOT / "profiles/paper.yaml").read_text())
    assert dict(ours.overrides) == {}
    assert paper.overrides["train.steps"] == theirs["train"]["steps"]
    assert paper.overrides["adapter.eta"] == theirs["adapter"]["eta"]
    assert paper.overrides[LLM] == theirs["loss"]["llm_weight"]
    assert not {"train.seed", "train.precision"} & set(paper.overrides)


def test_a_recipe_that_is_the_papers_leaves_nothing_to_compare(settings):
    paper = params.load_all(Settings, ROOT / "profiles/paper.yaml")
    with pytest.raises(SettingError, match="has the paper's own values already"):
        define("paper-values", paper)


def test_a_choice_changes_one_setting_at_a_time_and_ends_with_the_training(settings):
    mine = changed(settings, "train", steps=300, learning_rate=0.007, seed=4)
    made = define("choice", mine)
    assert made.until == "train"
    first, *others = made.rows
    assert dict(first.overrides) == {}
    seeds = [row.overrides for row in others if row.tried is None]
    assert [set(seed.values()) for seed in seeds] == [{5}, {6}]
    tried = [(row.tried, dict(row.overrides)) for row in others if row.tried]
    assert all(list(overrides) == [key] for key, overrides in tried)
    values = {key: [overrides[key] for name, overrides in tried if name == key] for key in TRIED}
    assert values["train.steps"] == [150, 600]
    assert values["train.learning_rate"] == list(TRIED["train.learning_rate"])
    assert in_force(mine)["train.learning_rate"] == 0.007


def test_a_study_that_draws_nothing_takes_no_number_of_prompts(settings):
    with pytest.raises(SettingError) as caught:
        define("choice", settings, prompts_per_type=7)
    assert str(caught.value) == "--prompts: the study choice ends with stage train and draws nothing: leave it out"

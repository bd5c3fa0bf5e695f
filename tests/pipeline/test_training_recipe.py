import pytest
import torch

from pipeline import training_recipe
from pipeline.errors import SettingError
from pipeline.training_recipe import accelerator, fingerprint, learning_rate
from tests.pipeline.adapters.test_sur import OFFICIAL
from tests.pipeline.training_setup import process, recipe


def test_the_learning_rate_warms_up_and_stays():
    config = recipe(learning_rate=1.0, warmup_steps=4).train
    assert [learning_rate(config, step) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert learning_rate(recipe(learning_rate=1.0, warmup_steps=0).train, 0) == 1.0


def test_distilling_what_is_left_out_is_refused():
    with pytest.raises(SettingError, match=r"loss\.student: h3 .* adapter\.h3: linear"):
        recipe(adapter={"h3": "linear"}, loss={"student": "h3"})


def test_the_authors_weights_are_not_trained():
    with pytest.raises(SettingError, match=r"adapter\.compat: official is for inference"):
        recipe(adapter=OFFICIAL)


def test_a_run_is_named_by_settings_inputs_and_code(tmp_path, monkeypatch):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1")
    other.write_text("2")
    name = fingerprint(recipe().as_json(), [one, other])
    assert name == fingerprint(recipe().as_json(), [other, one])
    assert name != fingerprint(recipe(seed=1).as_json(), [one, other])
    other.write_text("3")
    changed = fingerprint(recipe().as_json(), [one, other])
    assert name != changed
    monkeypatch.setattr(training_recipe, "CODE", ("losses.py",))
    assert fingerprint(recipe().as_json(), [one, other]) != changed


def test_every_pattern_of_the_trainers_code_finds_a_file():
    here = training_recipe.Path(training_recipe.__file__).parent
    assert all(list(here.glob(pattern)) for pattern in training_recipe.CODE)


def test_one_process_is_one_process():
    assert process().num_processes == 1


def test_another_world_size_than_the_launchers_is_refused(monkeypatch):
    monkeypatch.setattr("accelerate.Accelerator.num_processes", 2)
    with pytest.raises(SettingError, match="started 1 processes but Accelerate sees 2"):
        process()


def test_a_precision_that_does_not_run_here_is_told(monkeypatch):
    def refuse(**options):
        raise ValueError("fp16 mixed precision requires a GPU")

    monkeypatch.setattr("accelerate.Accelerator", refuse)
    with pytest.raises(SettingError, match=r"train\.precision fp16 does not run here: fp16 mixed precision requires"):
        accelerator("fp16", "cpu")


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_learning_rate_falls_as_in_diffusers(schedule):
    from diffusers.optimization import get_scheduler

    config = recipe(learning_rate=1.0, warmup_steps=4, steps=20, schedule=schedule).train
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_scheduler(schedule, optimizer, num_warmup_steps=4, num_training_steps=20)
    for step in range(20):
        if step >= 4:  # their warm-up begins with a step of rate 0
            assert learning_rate(config, step) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()
    assert learning_rate(config, 3) == learning_rate(config, 4) == 1.0
    assert 0.0 < learning_rate(config, 19) < 0.1


def test_a_warm_up_longer_than_the_training_is_only_a_warm_up():
    config = recipe(learning_rate=1.0, warmup_steps=8, steps=4, schedule="cosine").train
    assert [learning_rate(config, step) for step in range(4)] == [0.125, 0.25, 0.375, 0.5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep": "best", "validation_samples": 0}, r"train\.keep: best chooses on split val"),
        (
            {"sample_every": 2, "sample_prompts": 0},
            r"train\.sample_every draws prompts of split val: train\.sample_prompts and train\.validation_samples must",
        ),
        (
            {"sample_every": 2, "validation_samples": 0},
            r"train\.sample_every draws prompts of split val: train\.sample_prompts and train\.validation_samples must",
        ),
        ({"keep": "best", "metric": "val/clip_score"}, r"train\.metric: val/clip_score is measured on grids"),
    ],
)
def test_choices_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(SettingError, match=message):
        recipe(**changes)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_fp32_means_float32_for_convolutions_too(monkeypatch, precision):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", precision != "bf16")
    process(precision)
    assert torch.backends.cudnn.allow_tf32 == (precision == "bf16")

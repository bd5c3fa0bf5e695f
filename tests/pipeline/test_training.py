import copy
from types import SimpleNamespace

import pytest
import torch

from pipeline import training_examples, training_objective
from pipeline.errors import SettingError
from pipeline.training import Trainer
from tests.pipeline import tiny_models
from tests.pipeline.training_setup import examples, recipe, silent, trainer


def weights(trained):
    return {name: value.clone() for name, value in trained.adapter.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def stop_after(step):
    def report(now, figures):
        if now == step:
            raise KeyboardInterrupt

    return report


def test_training_lowers_what_it_is_trained_on(tmp_path):
    chosen = recipe(adapter={"eta": 1.0, "mixing": "residual"}, loss={"llm_weight": 1.0}, steps=30, warmup_steps=0)
    trained = trainer(tmp_path, chosen).run(silent)
    first, last = trained.history[0][1], trained.history[-1][1]
    assert last["train/llm"] < 0.8 * first["train/llm"]
    assert last["train/total"] < first["train/total"]


def test_twice_the_same_gives_the_same_bits(tmp_path):
    one = trainer(tmp_path / "a").run(silent)
    other = trainer(tmp_path / "b").run(silent)
    assert same(weights(one), weights(other))
    assert one.history == other.history


EVERYTHING = {
    "ema_decay": 0.5,
    "snr_gamma": 5.0,
    "noise_offset": 0.1,
    "caption_dropout": 0.25,
    "schedule": "cosine",
    "keep": "best",
    "validate_every": 1,
}


@pytest.mark.parametrize("choices", [{}, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_stopped_and_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path, stop, choices):
    chosen = recipe(adapter={"dropout": 0.25}, **choices)
    whole = trainer(tmp_path / "whole", chosen).run(silent)
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "stopped", chosen).run(stop_after(stop))
    (tmp_path / "stopped" / ".step-000006.tmp").mkdir(parents=True)  # as a kill while saving leaves it
    torch.manual_seed(99)
    told = []
    resumed = trainer(tmp_path / "stopped", chosen).run(lambda step, figures: told.append((step, figures)))
    assert same(weights(whole), weights(resumed))
    assert resumed.history == whole.history == told
    assert resumed.step == whole.step


@pytest.mark.parametrize("choices", [{}, EVERYTHING], ids=["plain", "everything"])
def test_a_finished_training_is_not_done_again(tmp_path, choices):
    first = trainer(tmp_path, recipe(**choices)).run(silent)
    steps = sorted(path.name for path in tmp_path.glob("step-*"))
    again = trainer(tmp_path, recipe(**choices)).run(silent)
    assert steps == ["step-000004", "step-000006"]
    assert same(weights(first), weights(again))
    assert again.history == first.history


@pytest.mark.parametrize("micro_batch", [1, 3])
def test_the_micro_batch_changes_results_by_rounding_only(tmp_path, micro_batch):
    whole = trainer(tmp_path / "whole").run(silent)
    parts = trainer(tmp_path / "parts", micro_batch=micro_batch).run(silent)
    for (_, one), (_, other) in zip(whole.history[:2], parts.history[:2], strict=True):
        assert other == pytest.approx(one, rel=1e-3)
    one, other = weights(whole), weights(parts)
    assert all(torch.allclose(one[name], other[name], atol=5e-3) for name in one)


def test_no_frozen_weight_moves(tmp_path):
    model = tiny_models.load()
    frozen = [model.unet, model.text_encoder, model.codec.vae]
    before = [copy.deepcopy(part.state_dict()) for part in frozen]
    running = trainer(tmp_path, model=model)
    kept = {name: value.clone() for name, value in running.adapter.named_buffers()}
    running.run(silent)
    assert all(same(old, part.state_dict()) for old, part in zip(before, frozen, strict=True))
    assert same(kept, dict(running.adapter.named_buffers()))
    assert all(parameter.grad is None for part in frozen for parameter in part.parameters())


def denoising_gradients(running):
    batch = training_batch(running)
    x, _ = training_objective.text_states(running.diffusion, batch)
    loss = training_objective.denoised(running.diffusion, batch, x.replaced(running.adapter(x.states).condition)).raw
    running.adapter.zero_grad()
    loss.backward()
    return {name for name, value in running.adapter.named_parameters() if value.grad.abs().sum() > 0}


def training_batch(running):
    return training_examples.training_batch(running.examples, [0, 1, 2], [1, 2, 3], running.diffusion.timesteps)


def test_the_denoising_loss_reaches_g_first_and_then_every_parameter(tmp_path):
    running = trainer(tmp_path, recipe(steps=1, warmup_steps=0))
    names = {name for name, _ in running.adapter.named_parameters()}
    # With g at zero nothing behind it can matter yet.
    assert denoising_gradients(running) == {"g.weight", "g.bias"}
    running.run(silent)
    # The keys' bias shifts all logits of a query alike: softmax cannot see it, rounding may.
    assert names - denoising_gradients(running) <= {"h2.bias"}


def test_figures_are_raw_and_weighted(tmp_path):
    figures = trainer(tmp_path, recipe(steps=1)).run(silent).history[0][1]
    assert figures["train/llm_weighted"] == 0.25 * figures["train/llm"]
    assert figures["train/alignment_weighted"] == 0.5 * figures["train/alignment"]
    parts = figures["train/llm_weighted"] + figures["train/alignment_weighted"] + figures["train/denoising"]
    assert figures["train/total"] == pytest.approx(parts, rel=1e-5)
    assert figures["train/denoising_weighted"] == figures["train/denoising"]
    assert figures["train/learning_rate"] == 0.5e-2
    assert "val/denoising" in figures


def test_gradient_norms_of_the_parts_make_up_the_whole(tmp_path):
    figures = trainer(tmp_path).run(silent).history[-1][1]
    parts = [figures[f"train/gradient_norm_{part}"] for part in ("transformer", "query", "h2", "h1", "g")]
    assert all(norm > 0 for norm in parts)
    assert sum(norm**2 for norm in parts) == pytest.approx(figures["train/gradient_norm"] ** 2, rel=1e-4)


def test_min_snr_weighting_trains_other_weights_by_a_smaller_loss(tmp_path):
    plain = trainer(tmp_path / "plain", recipe(steps=2)).run(silent)
    capped = trainer(tmp_path / "capped", recipe(steps=2, snr_gamma=0.5)).run(silent)
    first = capped.history[0][1]
    assert first["train/denoising"] == plain.history[0][1]["train/denoising"]
    assert first["train/denoising_weighted"] < first["train/denoising"]
    assert not same(weights(plain), weights(capped))


@pytest.mark.parametrize("choice", [{"noise_offset": 0.5}, {"caption_dropout": 0.5}, {"schedule": "linear"}])
def test_each_choice_reaches_the_weights(tmp_path, choice):
    plain = trainer(tmp_path / "plain", recipe(steps=4)).run(silent)
    chosen = trainer(tmp_path / "chosen", recipe(steps=4, **choice)).run(silent)
    assert not same(weights(plain), weights(chosen))


def test_the_moving_average_is_what_is_validated_and_left(tmp_path):
    plain = trainer(tmp_path / "plain", recipe()).run(silent)
    running = trainer(tmp_path / "averaged", recipe(ema_decay=0.9))
    averaged = running.run(silent)
    trained = {name: value for name, value in plain.history[-1][1].items() if name.startswith("train/")}
    assert trained == {name: averaged.history[-1][1][name] for name in trained}  # it moves no step
    assert not same(weights(plain), weights(averaged))
    assert running.validations()["adapted"] == averaged.history[-1][1]["val/denoising"]
    assert averaged.step == 6


def test_the_step_that_validated_best_is_left(tmp_path):
    running = trainer(tmp_path, recipe(keep="best", validate_every=1, learning_rate=0.3, warmup_steps=0))
    trained = running.run(silent)
    losses = {step: figures["val/denoising"] for step, figures in trained.history}
    assert trained.step == min(losses, key=losses.get) != 6
    assert running.validations()["adapted"] == losses[trained.step]


def test_what_observes_is_asked_every_so_many_steps_and_at_the_end(tmp_path):
    asked = []

    def observe(step, learned):
        asked.append((step, learned.training))
        return {"val/clip_score": float(step)}

    chosen = recipe(steps=5, sample_every=2, keep="best", metric="val/clip_score")
    trained = trainer(tmp_path, chosen).run(silent, observe)
    assert asked == [(2, False), (4, False), (5, False)]
    assert [step for step, figures in trained.history if "val/clip_score" in figures] == [2, 4, 5]
    assert trained.step == 5


def test_the_best_step_needs_a_validation_split(tmp_path):
    with pytest.raises(SettingError, match=r"train\.keep: best chooses on split val, which has no sample"):
        trainer(tmp_path, recipe(keep="best"), validation=0)


def test_the_last_steps_are_averaged(tmp_path):
    trained = trainer(tmp_path, recipe(steps=3)).run(silent)
    want = sum(figures["train/llm"] for _, figures in trained.history[1:]) / 2
    assert trained.last(2)["llm"] == pytest.approx(want)
    assert "val/denoising" not in trained.last(2)


def test_validation_is_framed_by_the_base_model(tmp_path):
    running = trainer(tmp_path, recipe(adapter={"mixing": "residual"}))
    losses = running.validations()
    assert losses["adapted"] == losses["base"] != losses["complex"]
    assert running.validations() == losses
    trained = running.run(silent)
    assert running.validations()["adapted"] == trained.history[-1][1]["val/denoising"] != losses["base"]


def test_without_validation_rows_nothing_is_validated(tmp_path):
    running = trainer(tmp_path, recipe(steps=1), validation=0)
    assert set(running.validations().values()) == {None}
    assert "val/denoising" not in running.run(silent).history[-1][1]


def test_bf16_trains_weights_that_stay_float32(tmp_path):
    trained = trainer(tmp_path, recipe(precision="bf16", steps=2), model=tiny_models.load(torch.bfloat16)).run(silent)
    assert {parameter.dtype for parameter in trained.adapter.parameters()} == {torch.float32}


def test_standardised_vectors_are_measured_on_the_training_split(tmp_path):
    running = trainer(tmp_path, recipe(loss={"llm_scale": "standardise"}))
    assert torch.allclose(running.adapter.llm_mean, examples(10).llm.mean(0), atol=1e-6)


@pytest.mark.parametrize("student", ["query", "h3"])
def test_the_chosen_student_is_distilled(tmp_path, student):
    running = trainer(tmp_path, recipe(loss={"student": student}))
    batch = training_batch(running)
    losses = training_objective.batch_losses(
        running.adapter, running.adapter, running.diffusion, batch, running.recipe.loss
    )
    losses["llm"].backward()
    assert (running.adapter.query.weight.grad is None) == (student == "h3")


def test_a_loss_that_is_not_finite_stops_with_one_line(tmp_path):
    running = trainer(tmp_path)
    running.examples.llm.fill_(float("inf"))
    with pytest.raises(SettingError, match=r"the loss is not finite at step 1: lower train\.learning_rate"):
        running.run(silent)


def test_heads_that_do_not_divide_the_width_are_told(tmp_path):
    with pytest.raises(SettingError, match=r"adapter\.heads: 3 heads do not divide the text encoder's width 16"):
        trainer(tmp_path, recipe(adapter={"heads": 3}))


def test_a_batch_that_does_not_divide_among_processes_is_refused(tmp_path):
    with pytest.raises(SettingError, match="batch_size 4 does not divide among 3 processes"):
        Trainer(
            recipe(),
            tiny_models.load(),
            examples(),
            examples(),
            accelerator=SimpleNamespace(num_processes=3),
            folder=tmp_path,
            micro_batch=4,
        )

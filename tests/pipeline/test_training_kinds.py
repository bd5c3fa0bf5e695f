"""What holds for every kind of adapter and every choice of U-Net parts; each of it fails in the authors' code."""

import copy

import pytest
import torch

from pipeline import training_examples, training_objective, training_start, unet_parts
from pipeline.errors import SettingError
from tests.pipeline import tiny_models
from tests.pipeline.test_training import EVERYTHING, same, silent, stop_after
from tests.pipeline.training_setup import KINDS, examples, recipe, trainer

EVERY = pytest.mark.parametrize("kind", list(KINDS))


def chosen(kind, **changes):
    sections = {name: dict(values) for name, values in KINDS[kind].items()}
    for section in ("adapter", "loss"):
        sections.setdefault(section, {}).update(changes.pop(section, {}))
    return recipe(sections["adapter"], sections["loss"], **{**sections.get("train", {}), **changes})


def values(trained):
    return {name: value.detach().clone() for name, value in trained.learned.state_dict().items()}


def gradients(running):
    """Of the denoising loss alone, by what is trained."""
    batch = training_examples.training_batch(running.examples, [0, 1, 2], [1, 2, 3], running.diffusion.timesteps)
    running.learned.zero_grad()
    running.learned.train()
    terms = training_objective.batch_losses(
        running.learned, running.adapter, running.diffusion, batch, running.recipe.loss
    )
    terms["denoising"].backward()
    return {name: parameter.grad for name, parameter in running.learned.named_parameters()}


@EVERY
def test_the_denoising_loss_reaches_everything_that_is_trained(tmp_path, kind):
    running = trainer(tmp_path, chosen(kind, steps=1, warmup_steps=0))
    running.run(silent)  # sur's g starts at 0: what lies behind it matters from the second step on
    got = gradients(running)
    silent_ones = {name for name, gradient in got.items() if gradient is None or not gradient.abs().sum() > 0}
    # A key's bias shifts all logits of a query alike: softmax cannot see it, rounding may.
    assert silent_ones <= {"adapter.h2.bias", "adapter.key.bias"}


@EVERY
def test_every_trained_parameter_gets_a_gradient_and_moves(tmp_path, kind):
    running = trainer(tmp_path, chosen(kind, steps=2, warmup_steps=0))
    before = {name: value.detach().clone() for name, value in running.learned.named_parameters()}
    assert before
    running.run(silent)
    still = {name for name, value in running.learned.named_parameters() if torch.equal(value, before[name])}
    assert still <= {"adapter.h2.bias", "adapter.key.bias"}


@EVERY
def test_no_frozen_weight_moves(tmp_path, kind):
    model = tiny_models.load()
    running = trainer(tmp_path, chosen(kind), model=model)
    trained = set(running.learned.unet_values)
    frozen = [model.text_encoder, model.codec.vae]
    before = [copy.deepcopy(part.state_dict()) for part in frozen]
    unet = {name: value.clone() for name, value in model.unet.state_dict().items() if name not in trained}
    buffers = {name: value.clone() for name, value in running.learned.named_buffers()}
    running.run(silent)
    assert all(same(old, part.state_dict()) for old, part in zip(before, frozen, strict=True))
    assert same(unet, {name: value for name, value in model.unet.state_dict().items() if name not in trained})
    assert same(buffers, dict(running.learned.named_buffers()))
    assert all(value.grad is None for name, value in model.unet.named_parameters() if name not in trained)


@EVERY
@pytest.mark.parametrize("stop", [1, 3])
def test_a_stopped_and_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path, kind, stop):
    settings = chosen(kind, **{**EVERYTHING, "steps": 4})
    whole = trainer(tmp_path / "whole", settings).run(silent)
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "stopped", settings).run(stop_after(stop))
    resumed = trainer(tmp_path / "stopped", settings).run(silent)
    assert same(values(whole), values(resumed))
    assert resumed.history == whole.history
    assert resumed.step == whole.step


@EVERY
def test_samples_of_a_batch_do_not_mix(tmp_path, kind):
    running = trainer(tmp_path, chosen(kind, steps=1))
    running.run(silent)
    together = training_examples.training_batch(running.examples, [0, 1, 2], [1, 2, 3], running.diffusion.timesteps)
    alone = training_examples.training_batch(running.examples, [1], [2], running.diffusion.timesteps)
    choose = training_objective.adapted(running.learned.eval().adapter)
    with torch.no_grad():
        one, other = (
            choose(*training_objective.text_states(running.diffusion, batch), batch).states
            for batch in (together, alone)
        )
    assert torch.allclose(one[1:2], other, atol=1e-5)


def test_token_states_have_one_length_whatever_is_beside_them(tmp_path):
    """There is no mask: padding to the longest prompt of a batch would be attended."""
    states = trainer(tmp_path, chosen("llm4gen frozen", steps=1)).examples.token_states
    lengths = {int(states.take([row], [True]).abs().sum(-1).count_nonzero()) for row in range(10)}
    assert len(lengths) > 2
    assert {states.take(rows, [True] * len(rows)).shape[1] for rows in ([0], [0, 1, 2], [3, 4])} == {6}


def test_a_dropped_caption_drops_the_llms_states_too(tmp_path):
    running = trainer(tmp_path, chosen("llm4gen frozen"))
    batch = training_examples.training_batch(running.examples, [0, 1], [1, 2], 1000, caption_dropout=0.999999)
    assert batch.simple == ["", ""]
    assert not batch.token_states.any()


@EVERY
def test_eval_mode_is_what_is_left(tmp_path, kind):
    trained = trainer(tmp_path, chosen(kind, steps=1)).run(silent)
    assert not any(module.training for module in trained.learned.modules())


@EVERY
def test_validation_is_framed_by_the_untouched_base_model(tmp_path, kind):
    untouched = trainer(tmp_path / "sur", recipe(steps=1)).validations()
    running = trainer(tmp_path / "kind", chosen(kind, steps=2, learning_rate=0.1, warmup_steps=0))
    trained = running.run(silent)
    after = running.validations()
    assert {name: after[name] for name in ("base", "complex")} == {
        name: untouched[name] for name in ("base", "complex")
    }
    assert after["adapted"] == trained.history[-1][1]["val/denoising"] != after["base"]


@EVERY
def test_the_log_has_the_kinds_own_terms_and_no_other(tmp_path, kind):
    figures = trainer(tmp_path, chosen(kind, steps=1)).run(silent).history[0][1]
    own = {"sur": {"llm", "alignment"}, "llm4gen": {"entity"}, "none": set(), "llmdiff": set()}[kind.split()[0]]
    assert {name for name in ("llm", "alignment", "entity") if f"train/{name}" in figures} == own
    for name in own:
        assert f"train/{name}_weighted" in figures
    parts = sum(figures[f"train/{name}_weighted"] for name in (*own, "denoising"))
    assert figures["train/total"] == pytest.approx(parts, rel=1e-5)


def test_gradient_norms_count_the_unets_parts_as_one(tmp_path):
    figures = trainer(tmp_path, chosen("sur cross_attention")).run(silent).history[-1][1]
    parts = [figures[f"train/gradient_norm_{part}"] for part in ("transformer", "query", "h2", "h1", "g", "unet")]
    assert sum(norm**2 for norm in parts) == pytest.approx(figures["train/gradient_norm"] ** 2, rel=1e-4)


def test_parameters_are_counted_by_part(tmp_path):
    running = trainer(tmp_path, chosen("sur cross_attention"))
    counts = running.learned.counts()
    unet = running.diffusion.unet
    assert list(counts) == ["transformer", "query", "h2", "h1", "g", "unet"]
    assert counts["unet"] == sum(unet.get_parameter(name).numel() for name in unet_parts.names(unet, "cross_attention"))
    assert sum(counts.values()) == sum(value.numel() for value in running.learned.parameters())


def test_the_unet_has_its_own_learning_rate_where_one_is_given(tmp_path):
    plain = trainer(tmp_path / "plain", chosen("sur cross_attention")).run(silent)
    slow = trainer(tmp_path / "slow", chosen("sur cross_attention", unet_learning_rate=1e-6)).run(silent)
    assert "train/unet_learning_rate" not in plain.history[-1][1]
    assert slow.history[-1][1]["train/unet_learning_rate"] == pytest.approx(1e-6)
    base = tiny_models.load().unet
    moved = [
        max(float((value - base.get_parameter(name)).abs().max()) for name, value in each.learned.unet_values.items())
        for each in (plain, slow)
    ]
    assert 0 < moved[1] < 1e-4 < moved[0]


@pytest.mark.parametrize("parts", ["cross_attention", "full"])
def test_bf16_trains_float32_masters_beside_frozen_bf16_weights(tmp_path, parts):
    model = tiny_models.load(torch.bfloat16)
    settings = chosen("none cross_attention", unet=parts, precision="bf16", steps=2, learning_rate=1e-6)
    running = trainer(tmp_path, settings, model=model)
    before = running.learned.unet_values
    before = {name: value.clone() for name, value in before.items()}
    trained = running.run(silent)
    after = trained.learned.unet_values
    assert {value.dtype for value in after.values()} == {torch.float32}
    # A step so small would be lost in bf16, which has 8 bits.
    assert any(
        (after[name] != value).any() and (after[name].bfloat16() == value.bfloat16()).all()
        for name, value in before.items()
    )
    frozen = {value.dtype for name, value in model.unet.named_parameters() if name not in after}
    assert frozen == (set() if parts == "full" else {torch.bfloat16})


def test_a_control_with_a_frozen_unet_is_refused():
    with pytest.raises(SettingError, match=r"^adapter\.kind: none trains parts .* nothing would train, take cross"):
        recipe({"kind": "none"})


@pytest.mark.parametrize("kind", ["none cross_attention", "sur cross_attention", "sur frozen"])
def test_a_trained_eta_of_0_is_refused(kind):
    with pytest.raises(SettingError, match=r"^adapter\.eta: 0 is the untouched base model"):
        chosen(kind, adapter={"eta": 0.0})


def test_llm4gen_without_token_states_is_told(tmp_path):
    with pytest.raises(SettingError, match=r"^adapter\.kind: llm4gen needs .* set llm\.states to tokens$"):
        training_start.learned(chosen("llm4gen frozen"), tiny_models.load(), examples())


def test_heads_of_llm4gen_that_do_not_divide_the_width_are_told(tmp_path):
    with pytest.raises(SettingError, match=r"^adapter\.llm4gen\.heads: 3 heads do not divide"):
        trainer(tmp_path, chosen("llm4gen frozen", adapter={"llm4gen": {"tokens": 6, "heads": 3}}))

import time

import pytest
import torch
from torch import nn

from miniature import training
from miniature.training import OutOfTimeError, Plan, Session, digest_of, rate_factor, train


def _model():
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def _loss(model):
    def loss(rng, noise):
        return (model(torch.randn(4, 3, generator=noise)) - rng.random()).square().mean()

    return loss


def _trained(folder, plan, *, stops=0):
    model = _model()
    for _ in range(stops):
        with pytest.raises(OutOfTimeError, match="the same command goes on"):
            train("linear", model, _loss(model), plan, Session(folder, until=time.monotonic() - 1))
        model = _model()
    train("linear", model, _loss(model), plan, Session(folder))
    return model.state_dict()


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_stopped_training_goes_on_to_the_very_same_weights(tmp_path, ema):
    plan = Plan(steps=6, warmup_steps=2, ema=ema)
    whole = _trained(tmp_path / "whole", plan)
    pieces = _trained(tmp_path / "pieces", plan, stops=3)
    assert all(torch.equal(whole[key], pieces[key]) for key in whole)


def test_a_finished_training_is_only_loaded_again(tmp_path):
    plan = Plan(steps=4, warmup_steps=1)
    first = _trained(tmp_path, plan)
    model = _model()
    train("linear", model, lambda *_: pytest.fail("no step is left"), plan, Session(tmp_path))
    assert all(torch.equal(first[key], value) for key, value in model.state_dict().items())
    assert not model.training


def test_another_plan_does_not_meet_the_old_checkpoint(tmp_path):
    _trained(tmp_path, Plan(steps=4, warmup_steps=1))
    model = _model()
    before = model.weight.clone()
    train("linear", model, _loss(model), Plan(steps=2, warmup_steps=1), Session(tmp_path))
    assert len(list(tmp_path.glob("linear-*.safetensors"))) == 2
    assert not torch.equal(before, model.weight)


def test_a_training_on_other_inputs_does_not_meet_the_old_checkpoint(tmp_path):
    for frozen in (torch.zeros(2), torch.ones(2)):
        model = _model()
        inputs = digest_of({"frozen": frozen})
        train("linear", model, _loss(model), Plan(steps=1, warmup_steps=1), Session(tmp_path), inputs=inputs)
    assert len(list(tmp_path.glob("linear-*.safetensors"))) == 2


def test_a_digest_of_weights_depends_on_names_and_values_and_not_on_their_order():
    one, two = torch.zeros(2), torch.ones(2)
    assert digest_of({"a": one, "b": two}) == digest_of({"b": two, "a": one})
    assert digest_of({"a": one, "b": two}) != digest_of({"a": two, "b": one})


@pytest.mark.parametrize("wanted", [True, False])
def test_a_plan_says_whether_products_are_in_bfloat16_where_that_is_worth_it(tmp_path, monkeypatch, wanted):
    monkeypatch.setattr(training, "multiplies_bf16", lambda: True)
    model, seen = _model(), []

    def loss(rng, noise):
        made = model(torch.zeros(1, 3))
        seen.append(made.dtype)
        return made.float().sum()

    train("linear", model, loss, Plan(steps=1, warmup_steps=1, bf16=wanted), Session(tmp_path))
    assert seen == [torch.bfloat16 if wanted else torch.float32]
    assert model.weight.dtype == torch.float32


def test_averaged_weights_are_free_of_the_first_ones(tmp_path):
    """One step: the average of one value is that value, whatever the decay."""
    plan = Plan(steps=1, warmup_steps=1)
    last = _trained(tmp_path, plan)
    averaged = _trained(tmp_path, Plan(steps=1, warmup_steps=1, ema=0.99))
    for key, value in last.items():
        torch.testing.assert_close(averaged[key], value, rtol=1e-4, atol=1e-5)


def test_the_rate_rises_and_then_falls_to_a_hundredth():
    plan = Plan(steps=100, warmup_steps=10)
    assert rate_factor(0, plan) == pytest.approx(0.1)
    assert rate_factor(10, plan) == pytest.approx(1.0)
    assert rate_factor(100, plan) == pytest.approx(0.01)


def test_frozen_weights_stay(tmp_path):
    model = _model()
    model.bias.requires_grad_(False)
    before = model.bias.clone()
    train("linear", model, _loss(model), Plan(steps=3, warmup_steps=1), Session(tmp_path))
    assert torch.equal(before, model.bias)

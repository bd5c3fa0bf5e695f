import dataclasses
from types import SimpleNamespace

import pytest
import torch

from pipeline import losses, training_objective
from pipeline.adapters.sur import SurAdapter
from pipeline.training_examples import training_batch
from pipeline.training_objective import batch_losses, denoised
from tests.pipeline import tiny_models
from tests.pipeline.training_setup import examples, recipe

ROWS, SEEDS = [0, 1, 2, 3], [5, 6, 7, 8]


@pytest.fixture(scope="module")
def model():
    return tiny_models.load()


def as_prediction(model, said):
    return dataclasses.replace(model, scheduler=SimpleNamespace(config=SimpleNamespace(prediction_type=said)))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr_weights_each_sample_by_its_timestep(model, prediction):
    chosen = as_prediction(model, prediction)
    batch = training_batch(examples(), ROWS, SEEDS, 1000)
    text, _ = training_objective.text_states(chosen, batch)
    x = text.chunk(4)
    got = denoised(chosen, batch, text, snr_gamma=5.0)
    rows = [training_batch(examples(), [row], [seed], 1000) for row, seed in zip(ROWS, SEEDS, strict=True)]
    alone = [float(denoised(chosen, one, x[place]).raw) for place, one in enumerate(rows)]
    squared = model.alphas_cumprod[batch.timesteps].double()
    snr = squared / (1.0 - squared)
    weights = torch.clamp(snr, max=5.0) / (snr if prediction == "epsilon" else snr + 1.0)
    assert got.raw.item() == pytest.approx(sum(alone) / 4, rel=1e-5)
    assert got.weighted.item() == pytest.approx(float((weights * torch.tensor(alone)).mean()), rel=1e-5)


def test_without_a_cap_the_weighted_loss_is_the_raw_one(model):
    batch = training_batch(examples(), ROWS, SEEDS, 1000)
    x, _ = training_objective.text_states(model, batch)
    got = denoised(model, batch, x)
    assert got.weighted is got.raw


def adapter_and_losses(model, batch, **options):
    chosen = recipe()
    adapter = SurAdapter(chosen.adapter, width=model.text_width, llm_width=tiny_models.LLM_WIDTH, w0_seed=0)
    return adapter, batch_losses(adapter, adapter, model, batch, chosen.loss, **options)


def test_the_total_takes_the_weighted_denoising_loss(model):
    batch = training_batch(examples(), ROWS, SEEDS, 1000)
    _, got = adapter_and_losses(model, batch, snr_gamma=0.1)
    assert got["denoising_weighted"] < got["denoising"]
    parts = 0.25 * got["llm"] + 0.5 * got["alignment"] + got["denoising_weighted"]
    assert got["total"].item() == pytest.approx(parts.item(), rel=1e-6)


def test_a_dropped_caption_counts_as_0_in_the_distillation(model):
    batch = training_batch(examples(), ROWS, SEEDS, 1000)
    dropped = batch._replace(captioned=torch.tensor([True, False, True, True]))
    dropped = dropped._replace(
        simple=[text if kept else "" for text, kept in zip(batch.simple, (1, 0, 1, 1), strict=True)]
    )
    adapter, got = adapter_and_losses(model, dropped)
    x, _ = training_objective.text_states(model, batch)
    made, teacher, own = adapter(x.states), adapter.teacher(batch.llm), model.own_tokens(batch.simple)
    by_row = [
        losses.llm_distillation(made.query[row : row + 1], teacher[row : row + 1], own[row : row + 1], recipe().loss)
        for row in (0, 2, 3)
    ]
    assert got["llm"].item() == pytest.approx(sum(by_row).item() / 4, rel=1e-5)


def test_a_batch_without_captions_distils_nothing_and_still_trains(model):
    batch = training_batch(examples(), ROWS, SEEDS, 1000)
    nothing = batch._replace(captioned=torch.zeros(4, dtype=torch.bool), simple=[""] * 4, complex=[""] * 4)
    adapter, got = adapter_and_losses(model, nothing)
    assert got["llm"].item() == 0.0
    got["total"].backward()
    assert adapter.g.weight.grad.abs().sum() > 0

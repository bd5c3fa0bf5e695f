import pytest
import torch

from bench import random_diffusion, training
from tests.pipeline import model_kinds, tiny_models
from tests.pipeline.training_setup import process, recipe


def test_the_random_model_has_the_real_shape():
    model = random_diffusion.stable_diffusion_15(device="meta", dtype=torch.bfloat16)
    count = sum(parameter.numel() for parameter in model.unet.parameters())
    assert count == 859_520_964
    assert sum(parameter.numel() for parameter in model.text_encoder.parameters()) == 123_060_480
    assert sum(parameter.numel() for parameter in model.codec.vae.parameters()) == 83_653_863
    assert (model.codec.side_factor, model.text_width, model.timesteps) == (8, 768, 1000)
    assert model.tokenizer(["two circles"], padding="max_length").input_ids[0][0] == 0


@pytest.mark.parametrize(
    ("name", "unet", "texts", "width"),
    [("sd21", 865_910_724, [340_387_840], 1024), ("sdxl", 2_567_463_684, [123_060_480, 694_659_840], 2048)],
)
def test_the_other_random_models_have_their_real_shapes(name, unet, texts, width):
    shape = random_diffusion.SHAPES[name]
    model = random_diffusion.stable_diffusion(shape, device="meta", dtype=torch.bfloat16)
    parts = [part for part in (model.text_encoder, model.text_encoder_2) if part is not None]
    counts = [sum(parameter.numel() for parameter in part.parameters()) for part in (model.unet, *parts)]
    assert counts == [unet, *texts]
    assert (model.text_width, model.unet.config.sample_size * model.codec.side_factor) == (width, shape.side_px)


@pytest.mark.parametrize("name", sorted(random_diffusion.SHAPES))
def test_text_flows_through_each_real_shape_to_the_unet_and_back(name):
    model = random_diffusion.stable_diffusion(random_diffusion.SHAPES[name], device="meta", dtype=torch.float32)
    text = model.text_states(["a red square", "two"])
    text.states.requires_grad_()
    said = model.predict(torch.empty(2, 4, 16, 16, device="meta"), torch.zeros(2, device="meta"), text)
    said.sum().backward()
    assert said.shape == (2, 4, 16, 16)
    assert text.states.grad.shape == (2, 77, model.text_width)


@pytest.mark.parametrize("kind", model_kinds.KINDS)
def test_all_ways_run_with_every_kind_of_base_model(tmp_path, kind):
    process()
    contest = training.Contest(
        model_kinds.load(kind), recipe(batch_size=2), side=tiny_models.SIDE, device="cpu", folder=tmp_path
    )
    before = contest.trainer.adapter.g.weight.clone()
    contest.bare()
    assert torch.equal(contest.trainer.adapter.g.weight, before)
    for way in (contest.ours, contest.authors):
        way()
        assert not torch.equal(contest.trainer.adapter.g.weight, before)
        before = contest.trainer.adapter.g.weight.clone()


def test_ratios_are_the_authors_way_over_ours():
    found = {
        "ours": {"flops": 2e12, "seconds": 2.0, "processor_seconds": 4.0, "peak_bytes": 5e8},
        "authors": {"flops": 3e12, "seconds": 9.0, "processor_seconds": 5.4, "peak_bytes": 1e9},
        "bare": {"flops": 1e12, "seconds": 1.5, "processor_seconds": 3.0, "peak_bytes": 1e8},
    }
    cpu = training.figures(found, 8, "cpu", None)
    assert cpu["ratio_by_flops"] == 1.5
    assert cpu["ratio_reached"] == pytest.approx(1.35)
    assert cpu["share_of_flop_ratio"] == pytest.approx(0.9)
    assert cpu["share_of_bare_rate"] == 0.75
    assert cpu["ours_images_a_s"] == 4.0
    gpu = training.figures(found, 8, "cuda:0", 2.0)
    assert gpu["ratio_reached"] == 4.5
    assert gpu["peak_memory_ratio"] == 0.5
    assert gpu["share_of_card_peak"] == 0.5

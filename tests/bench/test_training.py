import pytest
import torch

from bench import random_diffusion, training


def test_the_random_model_has_the_real_shape():
    model = random_diffusion.stable_diffusion_15(device="meta", dtype=torch.bfloat16)
    count = sum(parameter.numel() for parameter in model.unet.parameters())
    assert count == 859_520_964
    assert sum(parameter.numel() for parameter in model.text_encoder.parameters()) == 123_060_480
    assert sum(parameter.numel() for parameter in model.codec.vae.parameters()) == 83_653_863
    assert (model.codec.side_factor, model.text_width, model.timesteps) == (8, 768, 1000)
    assert model.tokenizer(["two circles"], padding="max_length").input_ids[0][0] == 0


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

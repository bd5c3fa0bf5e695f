import json

import huggingface_hub
import pytest
import torch

from pipeline import base_models, vae
from pipeline.errors import ModelError
from tests.pipeline import tiny_models


@pytest.fixture(scope="module")
def codec():
    return vae.load_codec(str(tiny_models.folder()), tiny_models.revision(), device="cpu", dtype=torch.float32)


def test_moments_are_those_of_the_vae(codec):
    pixels = vae.to_pixels([tiny_models.picture(0), tiny_models.picture(1)])
    moments = codec.moments(pixels)
    assert moments.shape == (2, 2 * tiny_models.CHANNELS, 8, 8)
    assert torch.equal(moments, codec.vae.encode(pixels).latent_dist.parameters)
    assert codec.side_factor == 2


def test_latents_are_drawn_as_diffusers_draws_them(codec):
    moments = codec.moments(vae.to_pixels([tiny_models.picture(0)]))
    noise = torch.randn(1, tiny_models.CHANNELS, 8, 8)
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    theirs = DiagonalGaussianDistribution(moments)
    want = (theirs.mean + theirs.std * noise) * codec.vae.config.scaling_factor
    assert torch.allclose(codec.sample_latents(moments, noise), want)
    mode = codec.sample_latents(moments, torch.zeros_like(noise))
    assert torch.allclose(mode, theirs.mode() * codec.vae.config.scaling_factor)


def test_decoding_undoes_the_scaling(codec):
    latents = torch.randn(2, tiny_models.CHANNELS, 8, 8)
    want = codec.vae.decode(latents / codec.vae.config.scaling_factor).sample.clamp(-1, 1)
    assert torch.equal(codec.decode(latents), want)


def test_the_vae_is_frozen(codec):
    assert not codec.vae.training
    assert not any(parameter.requires_grad for parameter in codec.vae.parameters())


def test_pixels_and_pictures_are_inverse():
    pictures = [tiny_models.picture(seed) for seed in range(3)]
    pixels = vae.to_pixels(pictures)
    assert pixels.shape == (3, 3, tiny_models.SIDE, tiny_models.SIDE)
    assert float(pixels.min()) >= -1.0
    assert float(pixels.max()) == 1.0
    again = vae.to_pictures(pixels)
    assert [picture.tobytes() for picture in again] == [picture.tobytes() for picture in pictures]


def test_rows_are_filled_with_the_last():
    assert vae.filled(torch.tensor([[1], [2]]), 4).tolist() == [[1], [2], [2], [2]]
    assert vae.filled(torch.tensor([[1], [2]]), 2).tolist() == [[1], [2]]


def load(path):
    return vae.load_codec(str(path), "0" * 16, device="cpu", dtype=torch.float32)


def test_a_folder_of_another_layout_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"has no model_index\.json"):
        load(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(ModelError, match=r"is a FluxPipeline: diffusion\.model must be"):
        load(tmp_path)


def test_a_missing_or_changed_folder_is_refused(tmp_path):
    with pytest.raises(ModelError, match="is missing"):
        load(tmp_path / "none")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": base_models.ONE_ENCODER}))
    with pytest.raises(ModelError, match="has revision"):
        load(tmp_path)


def test_a_hub_model_that_cannot_be_reached_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"^model someone/model cannot be loaded: its model_index\.json cannot be"):
        load("someone/model")

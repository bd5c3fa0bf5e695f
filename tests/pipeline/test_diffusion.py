import dataclasses
from types import SimpleNamespace

import pytest
import torch

from pipeline import diffusion
from tests.pipeline import tiny_models


@pytest.fixture(scope="module")
def model():
    return tiny_models.load()


def test_everything_is_frozen(model):
    for part in (model.codec.vae, model.text_encoder, model.unet):
        assert not part.training
        assert not any(parameter.requires_grad for parameter in part.parameters())


def test_text_states_are_those_of_the_pipeline(model):
    states = model.text_states(["a red square", "two"]).states
    assert states.shape == (2, 77, tiny_models.WIDTH)
    theirs, _ = model.pipeline("ddim").encode_prompt(["a red square", "two"], "cpu", 1, False)
    assert torch.equal(states, theirs)


def test_long_prompts_are_cut(model):
    assert model.text_states(["red " * 200]).states.shape == (1, 77, tiny_models.WIDTH)


def test_own_tokens_leave_out_start_end_and_padding(model):
    own = model.own_tokens(["ab", "", "c " * 200])  # the tiny tokenizer knows letters only
    assert own.sum(dim=1).tolist() == [2, 0, 75]
    assert own[0, :4].tolist() == [0, 1, 1, 0]


def test_noise_levels_are_the_schedulers(model):
    timesteps = torch.tensor([0, 500, 999])
    alpha, sigma = model.levels(timesteps)
    z, eps = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    assert torch.allclose(alpha * z + sigma * eps, model.scheduler.add_noise(z, eps, timesteps), atol=1e-6)
    assert model.timesteps == 1000


def test_prediction_lets_gradients_through_to_the_condition_alone(model):
    condition = model.text_states(["a", "b"])
    condition.states.requires_grad_()
    said = model.predict(torch.randn(2, 4, 8, 8), torch.tensor([1, 900]), condition)
    said.square().sum().backward()
    assert said.shape == (2, 4, 8, 8)
    assert condition.states.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.unet.parameters())


@pytest.mark.parametrize("said", ["epsilon", "v_prediction"])
def test_the_prediction_type_is_the_schedulers(model, said):
    scheduler = SimpleNamespace(config=SimpleNamespace(prediction_type=said))
    assert dataclasses.replace(model, scheduler=scheduler).prediction == said


def test_a_model_may_run_in_half_precision():
    half = tiny_models.load(torch.bfloat16)
    assert half.dtype == torch.bfloat16
    assert half.text_states(["a"]).states.dtype == torch.bfloat16
    noise = torch.randn(1, 4, 8, 8)
    assert half.predict(noise, torch.tensor([5]), half.text_states(["a"])).dtype == torch.float32
    assert half.text_width == tiny_models.WIDTH


# diffusers 0.42 calls np.array(tensor) in DPMSolverMultistepScheduler.set_timesteps; NumPy 2 deprecates it.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize("name", ["ddim", "pndm", "dpm"])
def test_schedulers_keep_the_models_noise_levels(model, name):
    made = model.pipeline(name)
    assert torch.allclose(made.scheduler.alphas_cumprod, model.alphas_cumprod)
    assert not made.scheduler.config.get("clip_sample")
    states = model.text_states(["a"]).states
    made(prompt_embeds=states, negative_prompt_embeds=states, num_inference_steps=2, output_type="latent")


def test_a_schedulers_file_that_says_nothing_about_clipping_does_not_clip():
    from diffusers import PNDMScheduler

    config = PNDMScheduler().config
    assert "clip_sample" not in config
    assert diffusion.sampler(config, "ddim").config.clip_sample is False
    assert diffusion.sampler(config, "ddim").config.set_alpha_to_one is False

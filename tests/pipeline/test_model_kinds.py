"""Stable Diffusion 2 and XL through the code that Stable Diffusion 1 goes through: prediction, training, sampling."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline import diffusion, sampling, training_objective, vae
from pipeline.adapters import folder
from pipeline.adapters.folder import LlmNamed
from pipeline.adapters.official import OfficialAdapter, OfficialParams
from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter
from pipeline.encoding import Encoder
from pipeline.engine import ComputeParams
from pipeline.errors import ModelError, SettingError
from pipeline.losses import min_snr_weights, prediction_target
from pipeline.methods import building
from pipeline.params import load
from pipeline.sampling import Denoising, Sampler
from pipeline.training_examples import training_batch
from pipeline.training_objective import denoised
from pipeline.training_unet import prepared
from tests.closure import ROOT
from tests.pipeline import model_kinds, tiny_models
from tests.pipeline.adapters.test_sur import BASE as ADAPTER
from tests.pipeline.training_setup import examples, recipe, silent, trainer

ROWS, SEEDS = [0, 1, 2, 3], [5, 6, 7, 8]
LLM = LlmNamed(model="llama", revision="ff", layer=3)


@pytest.fixture(scope="module", params=model_kinds.KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind):
    return model_kinds.load(kind)


def adapter_of(model, **changes):
    params = AdapterParams(**{**ADAPTER, "g_init": "normal", **changes})
    return SurAdapter(params, width=model.text_width, llm_width=tiny_models.LLM_WIDTH, w0_seed=0).eval()


def batch():
    return training_batch(examples(), ROWS, SEEDS, 1000)


# --- what the U-Net is told


def noised(count=2):
    return torch.randn((count, 4, 8, 8), generator=torch.Generator().manual_seed(0)), torch.tensor([900] * count)


def test_the_prediction_is_the_unets_as_diffusers_calls_it(kind, model):
    latents, timesteps = noised()
    text = model.text_states(["a", "b"])
    added = None
    if kind == "sdxl":
        ids = model_kinds.stock(kind)._get_add_time_ids((16, 16), (0, 0), (16, 16), torch.float32, text.pooled.shape[1])
        added = {"text_embeds": text.pooled, "time_ids": ids.repeat(2, 1)}
    theirs = model.unet(latents, timesteps, encoder_hidden_states=text.states, added_cond_kwargs=added).sample
    assert torch.equal(model.predict(latents, timesteps, text), theirs)


def test_pooled_text_and_size_reach_the_unet_of_sdxl():
    model = model_kinds.load("sdxl")
    latents, timesteps = noised()
    text = model.text_states(["a", "b"])
    said = model.predict(latents, timesteps, text)
    turned = dataclasses.replace(text, pooled=text.pooled.flip(0))
    assert not torch.allclose(model.predict(latents, timesteps, turned), said)
    finer = SimpleNamespace(side_factor=8, device="cpu")  # the same latents are of a larger picture then
    larger = dataclasses.replace(model, codec=finer)
    assert not torch.allclose(larger.predict(latents, timesteps, text), said)


def test_size_conditioning_says_a_whole_picture_of_its_own_size():
    model = model_kinds.load("sdxl")
    given = []
    model.unet.add_time_proj.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    latents = torch.zeros(2, 4, 8, 6)
    model.predict(latents, torch.tensor([5, 5]), model.text_states(["a", "b"]))
    assert given[0].view(2, 6).tolist() == [[16, 12, 0, 0, 16, 12]] * 2


def test_gradients_reach_the_condition_and_no_frozen_part(model):
    latents, timesteps = noised()
    text = model.text_states(["a", "b"])
    text.states.requires_grad_()
    model.predict(latents, timesteps, text).square().sum().backward()
    assert text.states.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.unet.parameters())


# --- targets


def test_velocity_and_the_picture_it_tells_are_the_definitions_in_float64():
    model = model_kinds.load("sd2")
    assert model.prediction == "v_prediction"
    given, timesteps = batch(), torch.tensor([0, 333, 666, 999])
    alpha, sigma = (level.double() for level in model.levels(timesteps))
    z, eps = given.latent_noise.double(), given.noise.double()
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    signal = torch.cumprod(1.0 - betas, 0)[timesteps].view(-1, 1, 1, 1)
    v = signal.sqrt() * eps - (1 - signal).sqrt() * z
    ours = prediction_target(z, eps, alpha, sigma, "v_prediction")
    assert torch.allclose(ours, v, atol=1e-5)
    noisy = signal.sqrt() * z + (1 - signal).sqrt() * eps
    assert torch.allclose(alpha * noisy - sigma * ours, z, atol=1e-5)  # x-hat of arXiv 2202.00512, section 4
    assert torch.allclose(sigma * noisy + alpha * ours, eps, atol=1e-5)


@pytest.mark.parametrize("timestep", [1, 500, 981])
def test_what_the_sampler_reads_from_our_target_is_the_picture(kind, model, timestep):
    scheduler = diffusion.sampler(model.scheduler.config, "ddim")
    scheduler.set_timesteps(50)
    alpha, sigma = model.levels(torch.tensor([timestep]))
    z, eps = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    target = prediction_target(z, eps, alpha, sigma, model.prediction)
    read = scheduler.step(target, timestep, alpha * z + sigma * eps).pred_original_sample
    assert torch.allclose(read, z, atol=1e-4 / float(alpha))


def test_a_unet_that_says_the_target_has_no_loss(model):
    given = batch()
    alpha, sigma = model.levels(given.timesteps)
    z = model.codec.sample_latents(given.moments, given.latent_noise)
    target = prediction_target(z, given.noise, alpha, sigma, model.prediction)
    knows = dataclasses.replace(model, unet=lambda *_, **__: SimpleNamespace(sample=target))
    text, _ = training_objective.text_states(model, given)
    assert denoised(knows, given, text).raw == 0.0


def test_min_snr_weights_the_same_error_in_z_whatever_the_unet_says():
    alpha = torch.tensor([0.999, 0.9, 0.5, 0.05], dtype=torch.float64).view(-1, 1, 1, 1)
    sigma = (1 - alpha**2).sqrt()
    snr = (alpha / sigma) ** 2
    # of an error d in z: the noise is wrong by alpha / sigma d, the velocity by 1 / sigma d
    by_noise = min_snr_weights(alpha, sigma, 5.0, "epsilon") * (alpha / sigma) ** 2
    by_velocity = min_snr_weights(alpha, sigma, 5.0, "v_prediction") / sigma**2
    assert torch.allclose(by_noise, by_velocity, rtol=1e-12)
    assert torch.allclose(by_noise, snr.clamp(max=5.0), rtol=1e-12)


# --- training


def test_a_training_goes_on_to_the_same_bits_after_a_stop(kind, tmp_path):
    def stop(step, figures):
        if step == 3:
            raise KeyboardInterrupt

    chosen = recipe(steps=4, snr_gamma=5.0, caption_dropout=0.3)
    whole = trainer(tmp_path / "whole", chosen, model=model_kinds.load(kind)).run(silent)
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "cut", chosen, model=model_kinds.load(kind)).run(stop)
    again = trainer(tmp_path / "cut", chosen, model=model_kinds.load(kind)).run(silent)
    one, other = whole.adapter.state_dict(), again.adapter.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole.history == again.history
    assert whole.adapter.width == model_kinds.WIDTHS[kind]
    assert any(value.any() for name, value in one.items() if name.startswith("g."))


def test_every_parameter_of_the_adapter_gets_a_gradient_from_the_denoising_loss_alone(kind, model):
    adapter = adapter_of(model)
    given = batch()
    x, _ = training_objective.text_states(model, given)
    denoised(model, given, x.replaced(adapter(x.states).condition)).raw.backward()
    without = {name for name, value in adapter.named_parameters() if not value.grad.abs().sum() > 0}
    assert without <= {"h2.bias"}  # it shifts all logits of a query alike: softmax cannot see it, rounding may


def test_the_adapter_changes_the_states_and_never_what_is_pooled(kind, model):
    given = batch()
    x, x_c = training_objective.text_states(model, given)
    made = training_objective.adapted(adapter_of(model))(x, x_c, given)
    assert not torch.equal(made.states, x.states)
    assert made.pooled is x.pooled


@pytest.mark.parametrize("parts", ["cross_attention", "full"])
def test_parts_of_the_unet_are_trained_too_what_reads_the_pooled_text_among_them(kind, tmp_path, parts):
    chosen = recipe(adapter={"kind": "none"}, steps=1, warmup_steps=0, unet=parts, weight_decay=0.0)
    running = trainer(tmp_path, chosen, model=model_kinds.load(kind))
    before = {name: value.clone() for name, value in running.learned.unet_values.items()}
    running.run(silent)
    moved = {name for name, value in running.learned.unet_values.items() if not torch.equal(value, before[name])}
    assert moved == set(before)
    assert ("add_embedding.linear_1.weight" in moved) == (kind == "sdxl" and parts == "full")


def test_a_dropped_caption_is_zeros_for_sdxl():
    dropped = training_batch(examples(), ROWS, SEEDS, 1000, caption_dropout=1.0)
    x, x_c = training_objective.text_states(model_kinds.load("sdxl"), dropped)
    assert not any(value.any() for value in (x.states, x_c.states, x.pooled))


def test_pictures_may_be_encoded_in_the_step(model):
    pixels = vae.to_pixels([tiny_models.picture(0)])
    moments = model.codec.moments(pixels)
    mean = model.codec.sample_latents(moments, torch.zeros(1, 4, 8, 8))
    theirs = model.codec.vae.encode(pixels).latent_dist.mode() * model.codec.vae.config.scaling_factor
    assert torch.allclose(mean, theirs)
    assert model.codec.vae.config.scaling_factor in (0.18215, 0.13025)


def test_an_adapter_folder_knows_its_own_base_model_alone(tmp_path):
    model = model_kinds.load("sdxl")
    mine, other = model_kinds.named("sdxl"), model_kinds.named("sd2")
    folder.save(tmp_path / "a", adapter_of(model), base=mine, llm=LLM, w0_seed=0, llm_scale="raw", steps=1)
    assert folder.load(tmp_path / "a", base=mine, width=model.text_width).width == 40
    with pytest.raises(ModelError, match=r"was trained for .*: it works with its own base model only"):
        folder.load(tmp_path / "a", base=other, width=24)


# --- sampling

# diffusers 0.42 calls np.array(tensor) in set_timesteps of DPM-Solver and Euler; NumPy 2 deprecates it.
numpy_copy = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def stock_picture(kind, scheduler, negative, guidance):
    """Two reds by diffusers' own pipeline, loaded by diffusers and called with words."""
    pipeline = model_kinds.stock(kind)
    pipeline.scheduler = diffusion.sampler(pipeline.scheduler.config, scheduler)
    [picture] = pipeline(
        "two reds",
        negative_prompt=negative,
        num_inference_steps=3,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(7),
    ).images
    return picture.tobytes()


@numpy_copy
@pytest.mark.parametrize(
    ("scheduler", "negative", "guidance"),
    [("ddim", "bad", 5.0), ("pndm", "", 5.0), ("dpm", "", 7.5), ("ddim", "", 1.0)],
)
def test_eta_zero_and_the_base_arm_are_the_stock_pipeline_bit_for_bit(kind, model, scheduler, negative, guidance):
    asked = Denoising(3, guidance, scheduler, negative, adapt_negative=True)
    adapter = adapter_of(model, eta=1.0)
    base, adapted = sampling.generate("two reds", 7, diffusion=model, adapter=adapter, config=asked, eta=0.0)
    theirs = stock_picture(kind, scheduler, negative or None, guidance)
    assert base.tobytes() == adapted.tobytes() == theirs
    _, whole = sampling.generate("two reds", 7, diffusion=model, adapter=adapter, config=asked)
    assert whole.tobytes() != theirs


def test_a_picture_does_not_depend_on_its_batch(model):
    sampler = Sampler(model, adapter_of(model), Denoising(2, 4.0, "ddim"))
    texts, seeds, through = ["a", "two reds", "blue"], [1, 2, 3], [False, True, True]
    together = sampler.pictures(texts, seeds, through)
    for row, picture in enumerate(together):
        [alone] = sampler.pictures(texts[row : row + 1], seeds[row : row + 1], through[row : row + 1])
        assert np.abs(np.asarray(picture).astype(int) - np.asarray(alone)).max() <= 1  # rounding


def test_the_pipeline_is_of_the_models_own_kind_and_leaves_no_watermark(kind, model, monkeypatch):
    from diffusers.pipelines.stable_diffusion_xl import pipeline_stable_diffusion_xl as stock

    monkeypatch.setattr(stock, "is_invisible_watermark_available", lambda: True)
    made = model.pipeline("ddim")
    names = {"sd2": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline"}
    assert type(made).__name__ == names[kind]
    assert getattr(made, "watermark", None) is None
    assert made.scheduler.config.prediction_type == model.prediction


def test_an_official_adapter_gets_sdxls_states_and_leaves_each_prompts_own_pooled_text():
    model = model_kinds.load("sdxl")
    params = OfficialParams(kind="sur", compat="official", eta=1.0, feed_forward_width=24)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        official = OfficialAdapter(params, width=model.text_width).eval().requires_grad_(False)
    encoded = Encoder(model, official, negative_prompt="bad")("two reds", True)
    bad, reds = model.text_states(["bad"]), model.text_states(["two reds"])
    both = official(torch.cat([bad.states, reds.states])).condition
    assert torch.equal(torch.cat([encoded.negative.states, encoded.prompt.states]), both)
    assert torch.equal(encoded.negative.pooled, bad.pooled)
    assert torch.equal(encoded.prompt.pooled, reds.pooled)


@pytest.mark.parametrize("name", ["canny", "weighting", "panorama", "sag", "pag"])
def test_a_method_that_is_made_for_one_encoder_is_refused_for_sdxl(name):
    asked = Denoising(2, 4.0, "ddim")
    with pytest.raises(SettingError, match=f"^sample.methods: {name} runs with Stable Diffusion 1.x and 2.x only"):
        building.build(name, None, asked, model_kinds.load("sdxl"), None)


# --- how the U-Net runs


def test_checkpointing_the_unet_gives_the_same_gradient(kind):
    def gradient(**changes):
        compute = load(ComputeParams, "compute", ROOT / "params.yaml").model_copy(update=changes)
        model = prepared(model_kinds.load(kind), compute)
        latents, timesteps = noised()
        text = model.text_states(["a", "b"])
        text.states.requires_grad_()
        model.predict(latents, timesteps, text).square().sum().backward()
        return text.states.grad

    assert torch.equal(gradient(gradient_checkpointing=True), gradient())
    assert torch.allclose(gradient(channels_last=True), gradient(), atol=1e-5)


# --- number formats


def test_half_precision_leaves_sdxls_vae_in_float32_as_diffusers_does():
    half = model_kinds.load("sdxl", torch.float16)
    assert (half.dtype, half.codec.dtype, half.codec.vae.dtype) == (torch.float16, torch.float32, torch.float32)
    assert half.unet.dtype == torch.float16
    assert model_kinds.load("sd2", torch.float16).codec.vae.dtype == torch.float16
    assert model_kinds.load("sdxl", torch.bfloat16).codec.vae.dtype == torch.bfloat16


def test_a_half_precision_sdxl_draws_through_its_wider_vae():
    half = model_kinds.load("sdxl", torch.float16)
    [picture] = Sampler(half, None, Denoising(2, 4.0, "ddim")).pictures(["two reds"], [7], [False])
    [whole] = Sampler(model_kinds.load("sdxl"), None, Denoising(2, 4.0, "ddim")).pictures(["two reds"], [7], [False])
    assert np.abs(np.asarray(picture).astype(int) - np.asarray(whole)).mean() < 2.0  # of 255: rounding
    assert np.asarray(picture).std() > 5.0


def test_a_vae_whose_latents_are_shifted_is_refused(tmp_path):
    path = model_kinds.edited("sdxl", tmp_path, "vae/config.json", latents_mean=[0.0] * 4, latents_std=[1.0] * 4)
    with pytest.raises(ModelError, match="latents that are shifted too do not run here"):
        vae.load_codec(str(path), vae.base_models.model_folders.folder_digest(path), device="cpu", dtype=torch.float32)

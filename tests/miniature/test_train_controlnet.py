import copy
import random
from dataclasses import replace
from typing import get_args

import pytest
import torch

from miniature import architectures, conditions, pictures, saving, train_controlnet, train_unet, train_vae, training
from miniature.training import Plan, Session
from miniature.world import draw, sample_scene
from pipeline.model_folders import REVISION, folder_digest

prepare = train_controlnet.prepare
SHORT = Plan(steps=1, batch_size=2, warmup_steps=1, bf16=False)


@pytest.fixture(scope="module")
def parts(base):
    return saving.load_diffusion(base)


@pytest.fixture(scope="module")
def cache(parts):
    return train_controlnet.prepare("segments", parts, count=3, seed=5)


def _kept():
    return architectures.scheduler().alphas_cumprod


def _noise():
    return torch.Generator().manual_seed(0)


def test_a_controlnet_starts_from_the_units_own_blocks_and_adds_nothing_yet(parts, cache):
    torch.manual_seed(0)
    model = train_controlnet.started_from(parts["unet"])
    assert torch.equal(
        model.down_blocks[1].resnets[0].conv1.weight, parts["unet"].down_blocks[1].resnets[0].conv1.weight
    )
    assert torch.equal(model.mid_block.resnets[0].conv1.weight, parts["unet"].mid_block.resnets[0].conv1.weight)
    drawn = train_unet.examples(cache.drawn, _kept(), _noise(), 2, dropout=train_controlnet.DROPOUT)
    plain = parts["unet"](drawn.noisy, drawn.timesteps, drawn.states).sample
    wanted = train_unet.denoising_error(plain, drawn, _kept())
    value = train_controlnet.loss(model, cache, _kept(), _noise(), 2, unet=parts["unet"])
    torch.testing.assert_close(value, wanted)


def test_the_loss_reaches_the_controlnet_and_moves_no_frozen_weight(parts, cache):
    model = train_controlnet.started_from(parts["unet"])
    train_controlnet.loss(model, cache, _kept(), _noise(), 2, unet=parts["unet"]).backward()
    assert all(
        block.weight.grad.abs().sum() > 0 for block in (*model.controlnet_down_blocks, model.controlnet_mid_block)
    )
    assert all(
        parameter.grad is None for name in ("unet", "vae", "text_encoder") for parameter in parts[name].parameters()
    )


def test_what_is_predicted_depends_on_the_condition_once_an_output_is_not_zero(parts, cache):
    model = train_controlnet.started_from(parts["unet"])
    with torch.no_grad():
        for block in model.controlnet_down_blocks:
            block.weight.fill_(0.05)
        model.controlnet_cond_embedding.conv_out.weight.normal_()
    other = train_controlnet.Cache(cache.drawn, torch.zeros_like(cache.conditions))
    values = [train_controlnet.loss(model, known, _kept(), _noise(), 2, unet=parts["unet"]) for known in (cache, other)]
    assert values[0] != values[1]


def test_the_cache_holds_the_condition_picture_of_each_latent(parts, cache):
    rng = random.Random(5)
    scenes = [sample_scene(rng) for _ in range(3)]
    seeds = [rng.getrandbits(32) for _ in scenes]
    assert cache.conditions.dtype == torch.uint8
    assert cache.conditions.shape == (3, 3, 64, 64)
    for shown, scene, seed in zip(cache.conditions, scenes, seeds, strict=True):
        assert shown.permute(1, 2, 0).numpy().tobytes() == conditions.segments(scene, seed).tobytes()
    latents = train_vae.encode(
        parts["vae"], pictures.as_tensor([draw(*pair) for pair in zip(scenes, seeds, strict=True)])
    )
    assert torch.equal(cache.drawn.latents, latents)
    assert cache.drawn.states.shape == (3, 77, 128)


@pytest.mark.parametrize("kind", get_args(conditions.Kind))
def test_a_step_ends_in_a_folder_that_loads_again(kind, base, tmp_path):
    from diffusers import ControlNetModel

    folder = tmp_path / kind
    model, _ = train_controlnet.build(kind, folder, base, Session(tmp_path), plan=SHORT, count=2)
    assert (folder / REVISION).read_text().strip() == folder_digest(folder)
    loaded = ControlNetModel.from_pretrained(folder)
    assert loaded.config.mid_block_type == "UNetMidBlock2D"
    torch.testing.assert_close(loaded.conv_in.weight, model.conv_in.weight, rtol=1e-3, atol=1e-3)
    assert (folder / "diffusion_pytorch_model.safetensors").stat().st_size <= 2_100_000


def test_another_kind_another_diffusion_model_and_another_count_are_other_trainings(parts, tmp_path):
    changed = parts | {"text_encoder": copy.deepcopy(parts["text_encoder"])}
    next(changed["text_encoder"].parameters()).data.mul_(2)
    for kind, known, count in (("edges", parts, 2), ("segments", parts, 2), ("edges", changed, 2), ("edges", parts, 3)):
        train_controlnet.learn(kind, known, Session(tmp_path), plan=SHORT, count=count)
    assert len(list(tmp_path.glob("controlnet_edges-*.safetensors"))) == 3
    assert len(list(tmp_path.glob("controlnet_segments-*.safetensors"))) == 1


def test_the_frozen_models_speak_in_full_precision_also_where_training_multiplies_in_bfloat16(
    parts, tmp_path, monkeypatch
):
    monkeypatch.setattr(training, "multiplies_bf16", lambda: True)
    wanted, made = train_controlnet.prepare("edges", parts, count=2), []
    monkeypatch.setattr(
        train_controlnet,
        "prepare",
        lambda kind, known, *, count: made.append(prepare(kind, known, count=count)) or made[0],
    )
    train_controlnet.learn("edges", parts, Session(tmp_path), plan=replace(SHORT, steps=2, bf16=True), count=2)
    assert len(made) == 1
    assert torch.equal(made[0].drawn.latents, wanted.drawn.latents)
    assert torch.equal(made[0].drawn.states, wanted.drawn.states)


def test_one_controlnet_may_go_on_from_another(base, tmp_path):
    first, second = tmp_path / "segments", tmp_path / "edges"
    begun, _ = train_controlnet.build("segments", first, base, Session(tmp_path), plan=SHORT, count=2)
    still = replace(SHORT, learning_rate=0.0)
    model, _ = train_controlnet.build("edges", second, base, Session(tmp_path), begun=first, plan=still, count=2)
    for name, value in begun.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-3, atol=1e-3)  # saved in 16 bits
    assert any(block.weight.abs().sum() > 0 for block in model.controlnet_down_blocks)


def test_a_folder_without_a_controlnet_is_refused_in_one_line(tmp_path):
    with pytest.raises(
        saving.MissingModelError, match="holds no ControlNet; make it first: --only controlnet-segments"
    ):
        saving.load_controlnet(tmp_path / "controlnet-segments")


def test_a_folder_without_a_diffusion_model_is_refused_in_one_line(tmp_path):
    with pytest.raises(saving.MissingModelError, match="holds no diffusion model; make it first: --only diffusion"):
        saving.load_diffusion(tmp_path)


def test_loaded_parts_are_frozen_and_compute_in_float32(parts):
    for name in ("vae", "text_encoder", "unet"):
        assert {parameter.dtype for parameter in parts[name].parameters()} == {torch.float32}
        assert not any(parameter.requires_grad for parameter in parts[name].parameters())
        assert not parts[name].training
    assert parts["vae"].config.scaling_factor == 0.5
    assert parts["tokenizer"].model_max_length == 77

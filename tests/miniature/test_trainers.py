import math
import random
from dataclasses import replace

import pytest
import torch

from miniature import (
    architectures,
    pictures,
    train_blip,
    train_clip,
    train_diffusion,
    train_llama,
    train_text_encoder,
    train_unet,
    train_vae,
    vocabulary,
)
from miniature.language import complex_prompt
from miniature.train_llama import WIDTHS
from miniature.training import Plan, Session
from miniature.variants import CARTOON, MAIN
from miniature.world import Group, Scene
from pipeline.model_folders import REVISION, folder_digest

SHORT = Plan(steps=1, batch_size=2, warmup_steps=1)
SHORT_PLANS = train_diffusion.Plans(SHORT, SHORT, SHORT, pictures=4)


def _digest_matches(folder):
    return (folder / REVISION).read_text().strip() == folder_digest(folder)


def test_blip_learns_captions_and_never_its_prompt():
    tokenizer = vocabulary.bert_tokenizer()
    ids, labels = train_blip.targets(tokenizer, ["two red discs", "one star"] * 8, random.Random(0))
    start = tokenizer.convert_tokens_to_ids("[DEC]")
    assert set(ids[:, 0].tolist()) == {start}
    for row, wanted in zip(ids, labels, strict=True):
        told = tokenizer.decode(row[wanted != -100], skip_special_tokens=True)
        assert told in ("two red discs", "one star")
    assert {text.startswith("[DEC] a picture of") for text in tokenizer.batch_decode(ids)} == {True, False}


@pytest.mark.parametrize(("module", "name"), [(train_blip, "blip"), (train_clip, "clip")])
def test_a_step_of_a_picture_model_ends_in_a_folder_with_its_digest(module, name, tmp_path):
    module.build(tmp_path / name, Session(tmp_path), plan=SHORT)
    assert _digest_matches(tmp_path / name)


def test_a_step_of_the_language_model_ends_in_a_folder_with_its_digest(tmp_path):
    model, _ = train_llama.build(tmp_path / "llama", Session(tmp_path), layers=2, width=16, plan=SHORT)
    assert (model.config.num_hidden_layers, model.config.hidden_size, model.config.intermediate_size) == (2, 16, 32)
    assert _digest_matches(tmp_path / "llama")


@pytest.mark.parametrize("module", [train_blip, train_clip, train_llama])
def test_a_training_that_is_only_loaded_gives_the_same_folder(module, tmp_path):
    revisions = []
    for name in ("trained", "loaded"):
        module.build(tmp_path / name, Session(tmp_path / "work"), plan=SHORT)
        revisions.append(folder_digest(tmp_path / name))
    assert revisions[0] == revisions[1]


def test_the_short_text_path_of_clip_equals_the_long_one():
    tokenizer = vocabulary.clip_tokenizer(pad_token="<|pad|>")
    torch.manual_seed(0)
    model = architectures.clip(architectures.clip_config(tokenizer)).eval()
    texts = ["three red circles", "masterpiece, one blue star, 8k"]
    short = tokenizer(texts, padding=True, return_tensors="pt").input_ids
    long = tokenizer(texts, padding="max_length", return_tensors="pt").input_ids
    assert long.shape == (2, 77)
    torch.testing.assert_close(train_clip.encode_short(model, short), model.encode_text(long), rtol=1e-4, atol=1e-5)


def test_the_text_encoders_truth_says_counts_kinds_action_and_ground():
    pair = Scene((Group(2, "star", "red"), Group(1, "circle", "white")), "grey")
    people = Scene((Group(2, "person", "orange", "lying"),), "black")
    first, second = train_text_encoder.truth([pair, people]).tolist()
    assert (first[0], first[7], first[8], first[15], first[16], first[17]) == (2, 1, 4, 1, 0, 2)
    assert (second[1], second[9], second[16], second[17]) == (2, 6, 5, 0)


def test_the_text_encoder_learns_from_any_position_behind_the_prompt():
    torch.manual_seed(0)
    tokenizer = vocabulary.clip_tokenizer()
    reader = train_text_encoder.Reader(tokenizer)
    value = train_text_encoder.loss(reader, tokenizer, random.Random(0), torch.Generator().manual_seed(0), 4)
    value.backward()
    assert value.item() > 0
    assert all(parameter.grad is not None for parameter in reader.parameters())


def test_the_unets_loss_weighs_noisy_steps_fully_and_clean_ones_less(monkeypatch):
    cache = train_unet.Cache(
        torch.zeros(4, 8, 8, 8).half(), torch.zeros(4, 77, 128).half(), torch.zeros(77, 128).half()
    )

    class Zero(torch.nn.Module):
        def forward(self, noisy, timesteps, states):
            return type("Output", (), {"sample": torch.zeros_like(noisy)})

    noise = torch.Generator().manual_seed(0)
    clean = train_unet.loss(Zero(), cache, torch.tensor([0.99]), noise, 64)
    noisy = train_unet.loss(Zero(), cache, torch.tensor([0.5]), noise, 64)
    assert noisy.item() == pytest.approx(1.0, abs=0.05)
    assert clean.item() == pytest.approx(5 / 99, abs=0.01)


def test_a_tenth_of_the_prompts_is_dropped():
    cache = train_unet.Cache(torch.zeros(2, 8, 8, 8).half(), torch.ones(2, 77, 128).half(), torch.zeros(77, 128).half())
    seen = []

    def model(noisy, timesteps, states):
        seen.append(states)
        return type("Output", (), {"sample": noisy})

    train_unet.loss(model, cache, architectures.scheduler().alphas_cumprod, torch.Generator().manual_seed(0), 600)
    assert 0.06 < (seen[0].amax((1, 2)) == 0).float().mean() < 0.14


def test_steps_of_all_diffusion_parts_end_in_a_pipeline_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(train_vae, "latent_std", lambda model, **_: 0.5)
    parts, reader = train_diffusion.build(
        tmp_path / "diffusion", Session(tmp_path), plans=SHORT_PLANS, text_plan=SHORT, everyday_plan=SHORT
    )
    assert _digest_matches(tmp_path / "diffusion")
    assert parts["text_encoder"] is reader.encoder
    assert not any(parameter.requires_grad for parameter in reader.encoder.parameters())


def test_the_cartoon_model_has_the_main_ones_text_encoder_and_smaller_parts(tmp_path, base, monkeypatch):
    monkeypatch.setattr(train_vae, "latent_std", lambda model, **_: 0.5)
    parts = train_diffusion.build_cartoon(tmp_path / "cartoon", base, Session(tmp_path), plans=SHORT_PLANS)
    assert _digest_matches(tmp_path / "cartoon")
    files = [folder / "text_encoder" / "model.safetensors" for folder in (tmp_path / "cartoon", base)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert tuple(parts["unet"].config.block_out_channels) == CARTOON.unet_channels
    assert tuple(parts["vae"].config.block_out_channels) == CARTOON.vae_channels
    assert sum(path.stat().st_size for path in (tmp_path / "cartoon").rglob("*.safetensors")) <= 5_300_000
    assert sorted(path.name.rsplit("-", 1)[0] for path in tmp_path.glob("*.safetensors")) == [
        "cartoon_decoder",
        "cartoon_unet",
        "cartoon_vae",
    ]


def test_a_unet_trained_on_more_pictures_is_another_training(tmp_path, base, monkeypatch):
    monkeypatch.setattr(train_vae, "latent_std", lambda model, **_: 0.5)
    for count in (2, 3):
        plans = replace(SHORT_PLANS, pictures=count)
        train_diffusion.build_cartoon(tmp_path / "cartoon", base, Session(tmp_path), plans=plans)
    assert len(list(tmp_path.glob("cartoon_unet-*.safetensors"))) == 2
    assert len(list(tmp_path.glob("cartoon_vae-*.safetensors"))) == 1


def test_the_autoencoder_of_a_variant_learns_its_own_style(monkeypatch):
    styles = []

    def batch(rng, size, *, style):
        styles.append(style)
        return pictures_batch(rng, size, style=style)

    pictures_batch = pictures.batch
    monkeypatch.setattr(pictures, "batch", batch)
    model = architectures.vae(CARTOON)
    for function in (train_vae.loss, train_vae.decoder_loss):
        assert function(model, random.Random(0), torch.Generator().manual_seed(0), 2, style="cartoon") > 0
    train_vae.latent_std(model, size=2, style="cartoon")
    assert styles == ["cartoon"] * 3


def test_training_the_decoder_alone_leaves_the_latents_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(train_vae, "latent_std", lambda model, **_: 0.5)
    first, model = (train_vae.build(Session(tmp_path), plan=SHORT) for _ in range(2))
    train_vae.sharpen(model, Session(tmp_path), plan=SHORT)
    images = pictures.batch(random.Random(0), 2)[1]
    assert torch.equal(train_vae.encode(model, images), train_vae.encode(first, images))
    assert not torch.equal(model.decoder.conv_in.weight, first.decoder.conv_in.weight)


def test_a_decoder_that_goes_on_from_another_one_is_another_training(tmp_path, monkeypatch):
    monkeypatch.setattr(train_vae, "latent_std", lambda model, **_: 0.5)
    for seed in (0, 1):
        model = train_vae.build(Session(tmp_path), plan=replace(SHORT, seed=seed))
        train_vae.sharpen(model, Session(tmp_path), plan=SHORT)
    assert len(list(tmp_path.glob("decoder-*.safetensors"))) == 2


def test_the_spread_of_latents_is_measured_on_pictures():
    torch.manual_seed(0)
    model = architectures.vae().eval()
    first, again = (train_vae.latent_std(model, size=4, seed=3) for _ in range(2))
    assert first == again > 0


@pytest.mark.parametrize("style", ["flat", "cartoon"])
def test_the_cache_holds_scaled_latents_and_states_of_each_picture(style):
    torch.manual_seed(0)
    tokenizer = vocabulary.clip_tokenizer()
    vae, encoder = architectures.vae().eval(), architectures.text_encoder(tokenizer).eval()
    vae.register_to_config(scaling_factor=2.0)
    cache = train_unet.prepare(vae, encoder, tokenizer, style=style, count=3, seed=5)
    rng = random.Random(5)
    scenes, images = pictures.batch(rng, 3, style=style)
    prompts = [complex_prompt(scene, rng) for scene in scenes]
    with torch.no_grad():
        latents = vae.encode(images).latent_dist.mean * 2
        states = encoder(train_text_encoder.tokenize(tokenizer, prompts)).last_hidden_state
    torch.testing.assert_close(cache.latents.float(), latents, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(cache.states.float(), states, rtol=1e-2, atol=1e-2)
    assert cache.empty.shape == (77, 128)


def test_a_cache_holds_as_many_pictures_as_asked_for(monkeypatch):
    monkeypatch.setattr(train_unet, "_DRAWN_AT_ONCE", 2)
    tokenizer = vocabulary.clip_tokenizer()
    vae, encoder = architectures.vae(CARTOON).eval(), architectures.text_encoder(tokenizer).eval()
    assert len(train_unet.prepare(vae, encoder, tokenizer, count=3).latents) == 3


def test_the_deepest_narrowest_language_model_learns_from_the_first_steps(tmp_path):
    torch.manual_seed(0)
    tokenizer = vocabulary.llama_tokenizer()
    model = architectures.llama(tokenizer, layers=60, width=WIDTHS[60])
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for step in range(6):
        value = train_llama.loss(model, tokenizer, random.Random(step), 8)
        value.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(value.item())
    assert losses[0] == pytest.approx(math.log(len(tokenizer)), rel=0.1)
    assert losses[-1] < losses[0] - 0.4


def test_language_models_are_as_deep_as_the_llamas_of_7_13_and_33_billion_weights():
    assert list(WIDTHS) == list(train_llama.PLANS) == [32, 40, 60]
    assert WIDTHS[40] == architectures.LLAMA_WIDTH


def test_all_architectures_together_stay_below_32_megabytes_in_16_bits():
    clip_words, llama_words = vocabulary.clip_tokenizer(), vocabulary.llama_tokenizer()
    language = [architectures.llama(llama_words, layers=layers, width=width) for layers, width in WIDTHS.items()]
    drawing = [make(variant) for make in (architectures.vae, architectures.unet) for variant in (MAIN, CARTOON)]
    texts = [architectures.text_encoder(clip_words)] * 2
    others = [
        architectures.blip(vocabulary.bert_tokenizer()),
        architectures.clip(architectures.clip_config(clip_words)),
    ]
    models = [*language, *drawing, *texts, *others, *[architectures.controlnet()] * 2]
    weights = sum(parameter.numel() for model in models for parameter in model.parameters())
    assert 30_000_000 < 2 * weights < 31_800_000

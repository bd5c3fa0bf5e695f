"""All methods on a model of a few thousand weights: eta 0, batches, and the ways of plugging the adapter in."""

from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.drop_in import SurTextModel
from pipeline.errors import ModelError, SettingError
from pipeline.methods import building
from pipeline.methods.settings import CONTROLNETS, MethodName
from pipeline.sampling import Denoising, Sampler
from tests.pipeline import tiny_adapter, tiny_models
from tests.pipeline.methods import tiny_controlnet
from tests.pipeline.test_shots import config

METHODS = get_args(MethodName)
DENOISING = Denoising(3, 5.0, "ddim")
TEXTS, SEEDS = ["two red squares", "a blue star", "red", "seven cats"], [1, 2, 3, 4]


@pytest.fixture(scope="module")
def model():
    return tiny_models.load()


@pytest.fixture(scope="module")
def adapter():
    return tiny_adapter.strong(eta=1.0)


def settings(**changes):
    nets = {"canny": tiny_controlnet.canny(), "seg": tiny_controlnet.seg("prompts/conditioning")}
    return config(methods=list(METHODS), controlnets=nets, **changes)


def sampler(model, adapter, name, *, eta=None, denoising=DENOISING, **changes):
    made = building.build(name, settings(**changes), denoising, model, adapter, eta=eta)
    return Sampler(model, adapter, denoising, eta=eta, method=made)


def drawn(made, texts=TEXTS, seeds=SEEDS, adapted=(True, True, True, True)):
    shown = None
    if made.method.prepare is not None:
        shown = [made.method.prepare(tiny_models.picture(seed)) for seed in seeds]
    return made.pictures(texts, seeds, list(adapted), shown)


def pixels(pictures):
    return np.stack([np.asarray(picture) for picture in pictures]).astype(int)


@pytest.mark.parametrize("name", METHODS)
def test_eta_zero_is_the_base_model_bit_for_bit(model, adapter, name):
    made = sampler(model, adapter, name, eta=0.0)
    ours, base = (drawn(made, TEXTS[:2], SEEDS[:2], (through,) * 2) for through in (True, False))
    assert [picture.tobytes() for picture in ours] == [picture.tobytes() for picture in base]
    alone = sampler(model, None, name)
    assert [picture.tobytes() for picture in drawn(alone, TEXTS[:2], SEEDS[:2], (False,) * 2)] == [
        picture.tobytes() for picture in base
    ]


@pytest.mark.parametrize("name", METHODS)
def test_the_adapter_changes_the_picture_in_every_method(model, adapter, name):
    made = sampler(model, adapter, name)
    assert (pixels(drawn(made)) != pixels(drawn(made, adapted=(False,) * 4))).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_of_one_is_a_batch_of_four(model, adapter, name):
    made = sampler(model, adapter, name)
    together = pixels(drawn(made))
    for row in range(4):
        alone = pixels(drawn(made, TEXTS[row : row + 1], SEEDS[row : row + 1], (True,)))
        assert np.abs(together[row] - alone[0]).max() <= 1  # rounding


@pytest.mark.parametrize("name", [name for name in METHODS if name != "none"])
def test_every_method_does_something(model, adapter, name):
    plain, other = (drawn(sampler(model, adapter, each)) for each in ("none", name))
    if name == "panorama":
        assert other[0].size == (32, 16)
    else:
        assert (pixels(plain) != pixels(other)).any()


def test_a_panorama_of_the_models_own_size_is_the_plain_picture(model, adapter):
    panorama = {"height_px": tiny_models.SIDE, "width_px": tiny_models.SIDE, "scheduler_of": None}
    made = drawn(sampler(model, adapter, "panorama", panorama=panorama))
    assert np.abs(pixels(made) - pixels(drawn(sampler(model, adapter, "none")))).max() <= 1  # rounding


def test_diffusers_draws_panoramas_wrongly_in_batches_which_is_why_ours_are_drawn_alone(model, adapter):
    made = sampler(model, adapter, "panorama")
    encoded = [made.encode(text, False) for text in TEXTS[:2]]
    together = made.method.pipeline(
        prompt_embeds=torch.cat([each.prompt.states for each in encoded]),
        negative_prompt_embeds=torch.cat([each.negative.states for each in encoded]),
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS[:2]],
        num_inference_steps=3,
        guidance_scale=5.0,
        **made.method.options,
    ).images
    right = drawn(made, TEXTS[:2], SEEDS[:2], (False, False))
    assert np.abs(pixels(together) - pixels(right)).max() > 1


def test_a_panoramas_windows_are_of_the_models_size_whatever_the_vae(model, adapter):
    views = building.build("panorama", settings(), DENOISING, model, adapter).pipeline.get_views(16, 32)
    assert views[0] == (0, 8, 0, 8)
    assert views[-1] == (0, 8, 8, 16)
    assert len(views) == 9


def test_a_panorama_may_take_another_models_noise_levels(model, adapter):
    named = {"model": str(tiny_models.folder()), "revision": tiny_models.revision()}
    panorama = {"height_px": 16, "width_px": 32, "scheduler_of": named}
    same = drawn(sampler(model, adapter, "panorama", panorama=panorama))
    assert (pixels(same) == pixels(drawn(sampler(model, adapter, "panorama")))).all()
    missing = {**panorama, "scheduler_of": {"model": "/nowhere", "revision": "ff"}}
    with pytest.raises(ModelError, match="/nowhere"):
        sampler(model, adapter, "panorama", panorama=missing)


def test_a_panorama_that_the_vae_cannot_make_is_told(model, adapter):
    panorama = {"height_px": 16, "width_px": 33, "scheduler_of": None}
    with pytest.raises(SettingError, match="multiples of 2, the VAE's step, got 33"):
        sampler(model, adapter, "panorama", panorama=panorama)


@pytest.mark.parametrize("name", CONTROLNETS)
def test_a_method_without_its_controlnet_is_told(model, adapter, name):
    empty = config(methods=[name])
    with pytest.raises(SettingError, match=rf"names {name}, which needs a ControlNet: set sample\.controlnets\.{name}"):
        building.build(name, empty, DENOISING, model, adapter)


def test_the_conditioning_picture_decides(model, adapter):
    made = sampler(model, adapter, "seg")
    one, other = (
        made.pictures(["red"], [1], [True], [made.method.prepare(tiny_models.picture(seed))])[0] for seed in (1, 2)
    )
    assert one.tobytes() != other.tobytes()


def shades(picture):
    return set(map(tuple, np.asarray(picture).reshape(-1, 3).tolist()))


def test_canny_is_shown_edges_and_seg_the_picture_itself(model, adapter):
    picture = Image.new("RGB", (32, 32), "red")
    picture.paste("blue", (0, 0, 16, 32))
    edges, segments = (sampler(model, adapter, name).method.prepare(picture) for name in CONTROLNETS)
    assert edges.size == segments.size == (tiny_models.SIDE,) * 2
    assert shades(edges) == {(0, 0, 0), (255, 255, 255)}
    assert shades(segments) == {(255, 0, 0), (0, 0, 255)}


def test_ready_edges_are_shown_as_they_are(model, adapter):
    nets = {"canny": tiny_controlnet.canny(source="edges", folder="prompts/edges"), "seg": None}
    made = building.build("canny", config(methods=["canny"], controlnets=nets), DENOISING, model, adapter)
    edges = Image.new("L", (16, 16))
    edges.putpixel((3, 4), 255)
    assert made.prepare(edges).tobytes() == edges.convert("RGB").tobytes()


@pytest.mark.parametrize("name", [name for name in METHODS if name != "weighting"])
def test_three_ways_of_plugging_in_give_the_same_bits(model, adapter, name):
    """As embeddings, as a text encoder, and by a hook; the negative prompt is adapted in all, as the last two must."""
    denoising = Denoising(3, 5.0, "ddim", negative_prompt="bad", adapt_negative=True)
    ours = sampler(model, adapter, name, denoising=denoising)
    [expected] = drawn(ours, TEXTS[:1], SEEDS[:1], (True,))
    plain = model.text_encoder
    dropped = SurTextModel.around(plain, adapter)
    assert called(ours, dropped).tobytes() == expected.tobytes()

    def hook(_, __, output):
        output["last_hidden_state"] = adapter(output["last_hidden_state"]).condition
        return output

    handle = plain.register_forward_hook(hook)
    try:
        assert called(ours, plain).tobytes() == expected.tobytes()
    finally:
        handle.remove()


def called(made, text_encoder):
    """The method's own pipeline, called with texts."""
    pipeline = made.method.pipeline
    before = pipeline.text_encoder
    pipeline.text_encoder = text_encoder
    shown = {}
    if made.method.prepare is not None:
        shown["image"] = [made.method.prepare(tiny_models.picture(SEEDS[0]))]
    try:
        return pipeline(
            TEXTS[0],
            negative_prompt="bad",
            generator=[torch.Generator().manual_seed(SEEDS[0])],
            num_inference_steps=3,
            guidance_scale=5.0,
            **shown,
            **made.method.options,
        ).images[0]
    finally:
        pipeline.text_encoder = before


def test_no_method_leaves_anything_behind_in_the_shared_model(model, adapter):
    before = dict(model.unet.attn_processors)
    first = drawn(sampler(model, adapter, "none"))
    for name in METHODS:
        drawn(sampler(model, adapter, name), TEXTS[:1], SEEDS[:1], (True,))
    assert {key: type(value) for key, value in model.unet.attn_processors.items()} == {
        key: type(value) for key, value in before.items()
    }
    assert (pixels(drawn(sampler(model, adapter, "none"))) == pixels(first)).all()


def test_a_half_precision_model_stays_one(adapter):
    half = tiny_models.load(torch.bfloat16)
    for name in METHODS:
        building.build(name, settings(), DENOISING, half, adapter)
    assert half.unet.dtype == half.text_encoder.dtype == torch.bfloat16

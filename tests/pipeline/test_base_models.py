import json
import shutil

import huggingface_hub
import pytest
import torch

from pipeline import base_models, diffusion
from pipeline.errors import ModelError
from tests.pipeline import model_kinds, tiny_models


def kind(path):
    return base_models.kind(str(path), "not compared here")


def index(path, **content):
    path.mkdir(exist_ok=True)
    (path / "model_index.json").write_text(json.dumps(content))
    return path


def test_kinds_are_told_by_the_models_own_files(tmp_path):
    assert kind(tiny_models.folder()) == base_models.Kind(two_encoders=False, zeroes_empty_text=False)
    assert kind(model_kinds.folder("sd2")) == kind(tiny_models.folder())
    assert kind(model_kinds.folder("sdxl")) == base_models.Kind(two_encoders=True, zeroes_empty_text=True)
    encoded = model_kinds.edited("sdxl", tmp_path, "model_index.json", force_zeros_for_empty_prompt=False)
    assert kind(encoded) == base_models.Kind(two_encoders=True, zeroes_empty_text=False)


def test_an_sdxl_whose_index_does_not_say_zeroes_the_empty_text_as_diffusers_does(tmp_path):
    assert kind(index(tmp_path, _class_name=base_models.TWO_ENCODERS)).zeroes_empty_text


@pytest.mark.parametrize(
    "name",
    [
        "StableDiffusion3Pipeline",
        "FluxPipeline",
        "StableDiffusionXLImg2ImgPipeline",  # SDXL's refiner
        "StableDiffusionInpaintPipeline",
        "LatentConsistencyModelPipeline",
        None,
    ],
)
def test_another_kind_is_refused_in_one_line(tmp_path, name):
    message = rf"^{tmp_path} is a {name}: diffusion\.model must be a StableDiffusionPipeline .* \(SDXL base\)$"
    with pytest.raises(ModelError, match=message):
        kind(index(tmp_path, _class_name=name))


@pytest.mark.parametrize(
    ("part", "found", "told"),
    [
        ("text_encoder", [None, None], "nothing as its text_encoder"),
        ("text_encoder_2", ["transformers", "T5EncoderModel"], "T5EncoderModel as its text_encoder_2"),
        ("vae", ["diffusers", "AutoencoderTiny"], "AutoencoderTiny as its vae"),
    ],
)
def test_a_known_kind_with_a_part_of_another_is_refused(tmp_path, part, found, told):
    with pytest.raises(ModelError, match=rf"has {told}: diffusion\.model needs a \w+ there$"):
        kind(index(tmp_path, **{"_class_name": base_models.TWO_ENCODERS, part: found}))


def test_a_fast_tokenizer_is_the_same_tokenizer(tmp_path):
    fast = index(tmp_path, _class_name=base_models.ONE_ENCODER, tokenizer=["transformers", "CLIPTokenizerFast"])
    assert not kind(fast).two_encoders


@pytest.mark.parametrize(
    ("which", "name", "changes", "told"),
    [
        ("sdxl", "unet/config.json", {"addition_embed_type": None}, "addition_embed_type None, not text_time"),
        ("sd2", "unet/config.json", {"addition_embed_type": "text"}, "addition_embed_type text, not None"),
        ("sdxl", "unet/config.json", {"time_cond_proj_dim": 256}, "takes the guidance scale as an input"),
        ("sd2", "unet/config.json", {"in_channels": 9}, "takes 9 channels and its VAE makes 4"),
        ("sd2", "scheduler/scheduler_config.json", {"prediction_type": "sample"}, "has prediction_type sample"),
    ],
)
def test_a_unet_or_noise_of_another_kind_is_refused_before_it_is_loaded(tmp_path, which, name, changes, told):
    path = model_kinds.edited(which, tmp_path, name, **changes)
    with pytest.raises(ModelError, match=told):
        base_models.require_parts(str(path), "")
    with pytest.raises(ModelError, match=told):
        diffusion.load(str(path), base_models.model_folders.folder_digest(path), device="cpu", dtype=torch.float32)


def test_noise_levels_without_betas_are_refused(tmp_path):
    path = model_kinds.edited("sdxl", tmp_path, "model_index.json")
    (path / "scheduler/scheduler_config.json").unlink()
    noise = {"_class_name": "EDMEulerScheduler", "prediction_type": "epsilon", "sigma_max": 80.0}
    (path / "scheduler/scheduler_config.json").write_text(json.dumps(noise))
    with pytest.raises(ModelError, match=r"has noise levels of EDMEulerScheduler: epsilon or v_prediction"):
        base_models.require_parts(str(path), "")


def test_a_hub_model_is_told_by_its_small_files_alone(monkeypatch):
    asked = []

    def hub(model, name, *, revision, local_files_only):
        asked.append((model, revision, name))
        return str(model_kinds.folder("sdxl") / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub)
    assert base_models.kind("owner/name", "abc").two_encoders
    base_models.require_parts("owner/name", "abc")
    assert base_models.text_width("owner/name", "abc") == 40
    assert {name for _, _, name in asked} == {
        "model_index.json",
        "unet/config.json",
        "vae/config.json",
        "scheduler/scheduler_config.json",
    }
    assert {(model, revision) for model, revision, _ in asked} == {("owner/name", "abc")}


def test_good_models_pass():
    for path in (tiny_models.folder(), *map(model_kinds.folder, model_kinds.KINDS)):
        base_models.require_parts(str(path), "")


def test_the_width_of_the_text_states_is_the_unets():
    widths = [base_models.text_width(str(model_kinds.folder(kind)), "") for kind in model_kinds.KINDS]
    assert widths == [24, 40]
    assert base_models.text_width(str(tiny_models.folder()), "") == tiny_models.WIDTH


def test_a_missing_file_is_told_by_its_name(tmp_path):
    path = shutil.copytree(model_kinds.folder("sd2"), tmp_path / "model")
    (path / "unet/config.json").unlink()
    with pytest.raises(ModelError, match=r"has no readable unet/config\.json"):
        base_models.require_parts(str(path), "")

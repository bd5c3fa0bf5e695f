"""The committed models: they load offline and quietly, and are what their revision says."""

from pathlib import Path
from typing import get_args

import pytest
import torch

from miniature import build, conditions, control_measures, measures, pictures, train_llama
from miniature.world import Group, Scene, draw
from pipeline.files import read_json
from pipeline.model_folders import REVISION, folder_digest

MODELS = Path(__file__).parents[2] / "miniature" / "models"
NEEDED = {"blip", "clip", "diffusion", "llama-40"}
"""What the default settings name; the builder makes more."""


def _made(name, *values):
    """A case that is skipped where the builder has not made the model."""
    missing = name not in NEEDED and not (MODELS / name).is_dir()
    reason = f"not made here: python -m miniature.build --only {name}"
    return pytest.param(*(values or (name,)), marks=pytest.mark.skipif(missing, reason=reason), id=name)


def test_the_folders_are_models_that_the_builder_makes():
    assert {folder.name for folder in MODELS.iterdir() if folder.is_dir()} <= set(build.BUILDERS)


@pytest.mark.parametrize("name", [_made(name) for name in sorted(build.BUILDERS)])
def test_the_revision_is_the_content_and_card_and_figures_are_there(name):
    folder = MODELS / name
    assert (folder / REVISION).read_text().strip() == folder_digest(folder)
    assert all(isinstance(value, float | int) for value in read_json(folder / "quality.json").values())
    assert "## Limits" in (folder / "README.md").read_text()


def test_all_weights_together_stay_below_32_megabytes():
    assert sum(path.stat().st_size for path in MODELS.rglob("*.safetensors")) <= 32_000_000


def test_no_configuration_tells_where_it_was_made():
    assert not any("_name_or_path" in path.read_text() for path in MODELS.rglob("config.json"))


def test_blip_captions_a_picture_with_and_without_a_prompt():
    from transformers import BlipForConditionalGeneration, BlipProcessor

    model = BlipForConditionalGeneration.from_pretrained(MODELS / "blip").eval()
    processor = BlipProcessor.from_pretrained(MODELS / "blip")
    assert model.dtype == torch.float32
    picture = measures.held_out(1)[1]
    for text in (None, ["a picture of"]):
        inputs = processor(images=picture, text=text, return_tensors="pt")
        said = processor.batch_decode(model.generate(**inputs, max_length=40), skip_special_tokens=True)
        assert len(said[0].split()) > 4


def test_clip_loads_by_folder_with_its_tokenizer():
    import open_clip

    place = f"local-dir:{MODELS / 'clip'}"
    model, _, preprocess = open_clip.create_model_and_transforms(place)
    ids = open_clip.get_tokenizer(place)(["three red circles"])
    assert ids.shape == (1, 77)
    picture = measures.held_out(1)[1][0]
    torch.testing.assert_close(preprocess(picture)[None], pictures.as_tensor([picture]))
    assert model.encode_text(ids).shape == model.encode_image(preprocess(picture)[None]).shape == (1, 64)


@pytest.mark.parametrize(
    ("layers", "width"),
    [_made(f"llama-{layers}", layers, width) for layers, width in sorted(train_llama.WIDTHS.items())],
)
def test_each_language_model_has_its_layers_and_knows_what_crimson_means(layers, width):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(MODELS / f"llama-{layers}").eval()
    tokenizer = AutoTokenizer.from_pretrained(MODELS / f"llama-{layers}")
    assert (model.config.num_hidden_layers, model.config.hidden_size, model.dtype) == (layers, width, torch.float32)
    ids = tokenizer("crimson means", return_tensors="pt").input_ids
    assert tokenizer.decode(model(ids).logits[0, -1].argmax()).strip() == "red"


@pytest.mark.parametrize("name", [_made("diffusion"), _made("cartoon")])
def test_a_diffusion_folder_loads_and_draws_64_pixels_by_default(name):
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(MODELS / name)
    pipeline.set_progress_bar_config(disable=True)
    assert {part.dtype for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder)} == {torch.float32}
    picture = pipeline("one red circle, blue background", num_inference_steps=2).images[0]
    assert picture.size == (64, 64)


def test_the_pooled_text_state_is_the_one_at_the_end_of_the_prompt():
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(MODELS / "diffusion", unet=None, vae=None)
    ids = pipeline.tokenizer("one red circle", padding="max_length", return_tensors="pt").input_ids
    states = pipeline.text_encoder(ids)
    assert torch.equal(states.pooler_output[0], states.last_hidden_state[0, 4])


@pytest.mark.parametrize("name", [_made("cartoon")])
def test_the_cartoon_model_shares_the_text_encoder_of_the_main_one(name):
    files = [MODELS / folder / "text_encoder" / "model.safetensors" for folder in ("diffusion", name)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sum(path.stat().st_size for path in (MODELS / name).rglob("*.safetensors")) <= 5_300_000


@pytest.mark.parametrize("kind", [_made(f"controlnet-{kind}", kind) for kind in get_args(conditions.Kind)])
def test_each_controlnet_puts_a_thing_where_its_condition_has_it(kind):
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

    controlnet = ControlNetModel.from_pretrained(MODELS / f"controlnet-{kind}")
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(MODELS / "diffusion", controlnet=controlnet)
    pipeline.set_progress_bar_config(disable=True)
    scene = Scene((Group(1, "square", "red"),), "white")
    shown = conditions.of_drawing(kind, scene, 1)
    options = {"guidance_scale": measures.GUIDANCE, "num_inference_steps": 10}
    picture = pipeline(
        "one red square, white background", image=shown, generator=torch.Generator().manual_seed(0), **options
    )
    assert control_measures.places(picture.images, [draw(scene, 1)])["overlap"] > 0.5

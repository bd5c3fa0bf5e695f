import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.errors import ModelError
from pipeline.metrics import clip_models
from pipeline.metrics.settings import ClipModel
from tests.pipeline.frozen_models import clip_folder, llama_folder, noise, picture
from tests.pipeline.metrics import tiny_scorers

TEXTS = ["a red circle", "two", "a photo of a blue star a red circle two circle star"]


def _setting(named, library="transformers"):
    return ClipModel(library=library, model=named[0], revision=named[1], weights=None, dtype="float32")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("scorers")
    return {name: getattr(tiny_scorers, name)(root / name) for name in ("clip", "siglip", "blip_vqa")}


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_pictures_and_texts_are_unit_vectors_of_one_space(folders, name):
    model = clip_models.load(_setting(folders[name]), "cpu")
    images, texts = model.images([picture(), noise(1)]), model.texts(TEXTS)
    assert (images.shape, texts.shape) == ((2, 16), (3, 16))
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([images, texts]), axis=1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_cosines_equal_those_of_the_whole_model(folders, name):
    """Transformers' own forward: scale x cosine + bias, of texts padded as the model was trained."""
    model = clip_models.load(_setting(folders[name]), "cpu")
    padding = "max_length" if name == "siglip" else True
    given = model._processor(
        images=[picture()], text=TEXTS[:1], padding=padding, truncation=True, max_length=8, return_tensors="pt"
    )
    with torch.no_grad():
        expected = float(model._model(**given).logits_per_image)
    scale, bias = model.logit
    found = float(model.images([picture()])[0] @ model.texts(TEXTS[:1])[0])
    assert scale * found + bias == pytest.approx(expected, abs=1e-5)


def test_siglip_has_a_bias_and_clip_has_none(folders):
    assert clip_models.load(_setting(folders["siglip"]), "cpu").logit == (pytest.approx(np.exp(2.0)), -3.0)
    assert clip_models.load(_setting(folders["clip"]), "cpu").logit.bias == 0.0


def test_a_texts_vector_does_not_depend_on_the_others(folders):
    model = clip_models.load(_setting(folders["clip"]), "cpu")
    np.testing.assert_array_equal(model.texts(TEXTS)[1], model.texts(["two"])[0])


def test_a_model_of_open_clip_knows_its_scale(tmp_path):
    model = clip_models.load(_setting(clip_folder(tmp_path / "open"), "open_clip"), "cpu")
    assert model.logit == (pytest.approx(1 / 0.07, rel=1e-5), 0.0)
    assert model.images([Image.new("RGB", (20, 20), "red")]).shape == (1, 8)


def test_weights_of_another_architecture_are_not_filled_up_with_random_ones(folders):
    with pytest.raises(ModelError, match=r"no weights for \d+ tensors of a BlipModel"):
        clip_models.load(_setting(folders["blip_vqa"]), "cpu")


def test_what_is_no_clip_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not CLIP-like"):
        clip_models.load(_setting(llama_folder(tmp_path / "llama")), "cpu")


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(ModelError, match="is missing"):
        clip_models.load(_setting((str(tmp_path / "none"), "x")), "cpu")

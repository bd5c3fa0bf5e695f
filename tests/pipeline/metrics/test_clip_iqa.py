import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.special import softmax

from pipeline.errors import InputError, ModelError
from pipeline.metrics import clip_iqa
from pipeline.metrics.clip_iqa import ClipIqa
from pipeline.metrics.settings import ClipIqaMetric
from pipeline.model_folders import write_revision
from tests.pipeline.frozen_models import clip_folder, noise, picture
from tests.pipeline.metrics.tiny_scorers import resnet_clip

PAIR = ("Good photo.", "Bad photo.")


def _setting(named, pairs=(PAIR,)):
    return ClipIqaMetric(
        kind="clip_iqa",
        library="open_clip",
        model=named[0],
        revision=named[1],
        weights=None,
        dtype="float32",
        pairs=pairs,
    )


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resnet")
    vision = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 4, "head_width": 8}
    text = {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1}
    shape = {"embed_dim": 8, "vision_cfg": vision, "text_cfg": text, "quick_gelu": True}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": shape, "preprocess_cfg": {}}))
    save_file(resnet_clip().state_dict(), folder / "open_clip_model.safetensors")
    return str(folder), write_revision(folder)


def test_without_positions_equals_the_models_own_forward_with_positions_of_zero():
    model = resnet_clip()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        model.visual.attnpool.positional_embedding.zero_()
        expected = model.encode_image(pixels)
        found = clip_iqa.without_positions(model.visual, pixels)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_a_picture_of_any_size_goes_through_unresized():
    with torch.no_grad():
        found = clip_iqa.without_positions(resnet_clip().visual, torch.randn(1, 3, 96, 160))
    assert found.shape == (1, 8)


def test_the_value_is_the_softmax_of_a_pair_of_texts():
    rng = np.random.default_rng(0)
    features, good, bad = rng.normal(size=4) / 20, rng.normal(size=(2, 4)) / 20, rng.normal(size=(2, 4)) / 20
    each = [softmax([100 * good[at] @ features, 100 * bad[at] @ features])[0] for at in range(2)]
    assert clip_iqa.likeness(features, good, bad) == pytest.approx(np.mean(each), rel=1e-12)


def test_good_and_bad_swapped_sum_to_one(named):
    pictures = [picture(size=(64, 48)), noise(3, 40)]
    one = ClipIqa(_setting(named), "cpu").values(pictures)
    other = ClipIqa(_setting(named, ((PAIR[1], PAIR[0]),)), "cpu").values(pictures)
    assert np.add(one, other) == pytest.approx([1.0, 1.0])
    assert all(0 <= value <= 1 for value in one)


def test_several_pairs_are_averaged(named):
    pairs = (PAIR, ("Sharp photo.", "Blurry photo."))
    one, two, both = (
        ClipIqa(_setting(named, chosen), "cpu").values([noise(3, 40)])[0] for chosen in (pairs[:1], pairs[1:], pairs)
    )
    assert both == pytest.approx((one + two) / 2)


def test_too_small_a_picture_and_a_model_without_a_resnet_are_refused(named, tmp_path):
    with pytest.raises(InputError, match="32 pixels a side"):
        ClipIqa(_setting(named), "cpu").values([noise(1, 24)])
    with pytest.raises(ModelError, match="no ResNet with an attention pool"):
        ClipIqa(_setting(clip_folder(tmp_path / "vit")), "cpu")

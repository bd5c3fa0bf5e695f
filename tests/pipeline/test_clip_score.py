import huggingface_hub
import numpy as np
import open_clip
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clip_score import RESULT, ClipParams, ClipScorer, _open_clip_name, keep
from pipeline.errors import ModelError, SettingError
from pipeline.images import ImageParams, encode
from pipeline.params import load
from tests.pipeline.frozen_models import clip_folder, noise, picture

PNG = ImageParams(side_px=16, resize="squash", format="png", quality=95)
SCORES = st.lists(st.tuples(st.floats(-100, 100, width=32), st.floats(-100, 100, width=32)), min_size=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return clip_folder(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def scorer(model):
    return ClipScorer(*model, "cpu")


def test_a_score_is_a_hundred_times_the_cosine(scorer):
    table = pa.table(
        {
            "key": ["x", "y"],
            "image": [encode(picture(), PNG), encode(noise(3), PNG)],
            "simple_prompt": ["a red circle", "two stars"],
            "complex_prompt": ["red circle on white ground", "blue"],
        }
    )
    rows = scorer(table)
    assert rows.schema.types == [pa.string(), *RESULT.types]
    images = scorer.images([picture(), noise(3)]).astype(np.float64)
    for name in ("simple", "complex"):
        texts = scorer.texts(table.column(f"{name}_prompt").to_pylist()).astype(np.float64)
        cosine = (images * texts).sum(axis=1)
        np.testing.assert_allclose(rows.column(f"score_{name}"), 100 * cosine, atol=1e-4)


def test_features_have_length_one_and_follow_open_clip(scorer, model):
    plain, _, transform = open_clip.create_model_and_transforms(f"local-dir:{model[0]}")
    with torch.no_grad():
        image = plain.eval().encode_image(transform(picture())[None])[0].numpy()
        text = plain.encode_text(open_clip.get_tokenizer(f"local-dir:{model[0]}")(["a star"]))[0].numpy()
    np.testing.assert_allclose(scorer.images([picture()])[0], image / np.linalg.norm(image), atol=1e-6)
    np.testing.assert_allclose(scorer.texts(["a star"])[0], text / np.linalg.norm(text), atol=1e-6)
    assert scorer.images([picture()]).dtype == np.float32
    assert scorer.logit_scale == 100.0


def test_features_do_not_depend_on_the_batch(scorer):
    pictures, texts = [noise(1), noise(2, 30), picture()], ["a", "two red stars", "a person jumping on white ground"]
    np.testing.assert_allclose(scorer.images(pictures)[1], scorer.images([pictures[1]])[0], atol=1e-6)
    np.testing.assert_allclose(scorer.texts(texts)[2], scorer.texts([texts[2]])[0], atol=1e-6)


def test_truncation_begins_beyond_the_context(scorer):
    assert not scorer.truncated("a red circle on white ground")  # 6 words, start and end: the context of 8
    assert scorer.truncated("a red circle on white ground picture")


def test_open_clips_own_tokenizer_counts_too(tmp_path):
    scorer = ClipScorer(*clip_folder(tmp_path, own_tokenizer=False), "cpu")
    assert not scorer.truncated("a red circle on white ground")
    assert scorer.truncated("a red circle on the white ground")
    assert scorer.texts(["a " * 50]).shape == (1, 8)


def test_the_papers_rule_keeps_ties():
    simple, complex_ = np.array([30, 25, 20], np.float32), np.array([29, 25, 21], np.float32)
    assert keep(simple, complex_, 0.0).tolist() == [True, True, False]
    assert keep(simple, complex_, 1.0).tolist() == [True, False, False]
    assert keep(simple, complex_, -1.0).tolist() == [True, True, True]


@given(SCORES, st.floats(-100, 100), st.floats(0, 50))
def test_a_greater_margin_never_keeps_more(pairs, margin, more):
    simple, complex_ = np.array(pairs, np.float32).T
    assert not (keep(simple, complex_, margin + more) & ~keep(simple, complex_, margin)).any()


def test_models_are_named_as_open_clip_names_them(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **options: asked.update(name=name, **options) or "/snapshot"
    )
    assert _open_clip_name(str(tmp_path), "0") == (f"local-dir:{tmp_path}", None)
    assert _open_clip_name("ViT-B-32-quickgelu", "openai") == ("ViT-B-32-quickgelu", "openai")
    assert _open_clip_name("someone/CLIP", "abc") == ("local-dir:/snapshot", None)
    assert (asked["name"], asked["revision"]) == ("someone/CLIP", "abc")


def test_an_unknown_architecture_is_one_line():
    with pytest.raises(ModelError, match=r"^model ViT-X cannot be loaded: .*not found"):
        ClipScorer("ViT-X", "openai", "cpu")


def test_a_margin_that_is_no_number_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("clip: {model: m, revision: r, margin: wide}")
    with pytest.raises(SettingError, match=r"clip.margin .* got 'wide'"):
        load(ClipParams, "clip", path)

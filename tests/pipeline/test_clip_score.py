import json

import huggingface_hub
import numpy as np
import open_clip
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file

from pipeline import clip_score
from pipeline.clip_score import FEATURES, RESULT, Clip, PictureEncoder, PromptScorer, _open_clip_name
from pipeline.clip_text_tower import TextTower
from pipeline.errors import ModelError
from pipeline.images import ImageParams, encode
from pipeline.model_folders import file_revision
from pipeline.operating import Batches, BatchSize
from tests.pipeline.frozen_models import clip_folder, clip_params, noise, picture

PNG = ImageParams(side_px=16, resize="squash", format="png", quality=95)
LONG = "a red circle on white ground two stars over a person jumping"
PAIRS = {
    "simple_prompt": ["a red circle", "two stars", "a red circle"],
    "complex_prompt": ["red circle on white ground", LONG, "blue"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return clip_folder(tmp_path_factory.mktemp("clip"))


def loaded(model, **changed):
    return Clip(clip_params(model=model[0], revision=model[1], **changed), "cpu")


@pytest.fixture(scope="module")
def clip(model):
    return loaded(model)


@pytest.fixture(scope="module")
def averaging(model):
    return loaded(model, long_prompts="mean_of_chunks")


def pictures():
    return [picture(), noise(3), noise(4)]


def encoded(clip, batch=3):
    rows = pa.table({"key": ["x", "y", "z"], "image": [encode(each, PNG) for each in pictures()]})
    operator = Batches(PictureEncoder(clip), BatchSize(batch, "cpu", "compute.clip_batch"))
    return operator(operator.prepare(rows))


def scored(clip, batch=3, rows=(0, 1, 2)):
    table = encoded(clip)
    for name, texts in PAIRS.items():
        table = table.append_column(name, pa.array(texts))
    operator = Batches(PromptScorer(clip), BatchSize(batch, "cpu", "compute.clip_batch"))
    return operator(operator.prepare(table.take(list(rows))))


def by_definition(model, text, chunks):
    """Mean of a text's chunks in float64, weighted by their words, then brought to length 1."""
    plain = open_clip.create_model(f"local-dir:{model[0]}").double().eval()
    plain.transformer.get_cast_dtype = lambda: torch.float64
    tokenizer, words = open_clip.get_tokenizer(f"local-dir:{model[0]}"), text.split()
    pieces = [words[start : start + 6] for start in range(0, len(words), 6)]
    pieces = pieces if chunks else pieces[:1]
    with torch.no_grad():
        features = plain.encode_text(tokenizer([" ".join(piece) for piece in pieces])).numpy()
    mean = sum(len(piece) * row for piece, row in zip(pieces, features, strict=True)) / sum(map(len, pieces))
    return mean / np.linalg.norm(mean)


def test_a_score_is_a_hundred_times_the_cosine(clip):
    rows = scored(clip)
    assert rows.schema.types == [pa.string(), *RESULT.types]
    assert rows.column("key").to_pylist() == ["x", "y", "z"]
    images = clip.images(pictures()).astype(np.float64)
    for name in ("simple", "complex"):
        texts = clip.texts(PAIRS[f"{name}_prompt"]).astype(np.float64)
        np.testing.assert_allclose(rows.column(f"score_{name}"), 100 * (images * texts).sum(axis=1), atol=1e-4)
    assert rows.column("simple_truncated").to_pylist() == [False, False, False]
    assert rows.column("complex_truncated").to_pylist() == [False, True, False]


def test_the_operator_gives_the_features_of_the_pictures(clip):
    table = encoded(clip)
    assert table.schema.types == [pa.string(), *FEATURES.types]
    np.testing.assert_array_equal(np.array(table.column("embedding").to_pylist(), np.float32), clip.images(pictures()))


def test_features_have_length_one_and_follow_open_clip(clip, model):
    plain, _, transform = open_clip.create_model_and_transforms(f"local-dir:{model[0]}")
    with torch.no_grad():
        image = plain.eval().encode_image(transform(picture())[None])[0].numpy()
        text = plain.encode_text(open_clip.get_tokenizer(f"local-dir:{model[0]}")(["a star"]))[0].numpy()
    np.testing.assert_allclose(clip.images([picture()])[0], image / np.linalg.norm(image), atol=1e-6)
    np.testing.assert_allclose(clip.texts(["a star"])[0], text / np.linalg.norm(text), atol=1e-6)
    assert clip.images([picture()]).dtype == np.float32
    assert clip.logit_scale == 100.0


def test_a_long_text_is_cut_off_or_the_mean_of_its_chunks_in_float64(clip, averaging, model):
    texts = ["a red circle on white ground picture of", LONG, "a star"]
    for scorer, chunks in ((clip, False), (averaging, True)):
        wanted = [by_definition(model, text, chunks) for text in texts]
        np.testing.assert_allclose(scorer.texts(texts), wanted, atol=2e-6)
    assert not np.allclose(clip.texts([LONG]), averaging.texts([LONG]), atol=1e-3)


def test_a_text_that_fits_has_the_same_bits_whatever_becomes_of_long_ones(clip, averaging):
    np.testing.assert_array_equal(clip.texts(["a star", "two"]), averaging.texts(["a star", "two"]))


def test_the_chunks_of_others_leave_a_texts_bits_alone(averaging):
    alone = averaging.text_features(averaging.tokens(["a red star"]), 4)[0]
    for others in ([LONG], [LONG, LONG + " of a picture", "two"], ["two", LONG * 2]):
        together = averaging.text_features(averaging.tokens([*others, "a red star"]), 4)[-1]
        np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("kind", ["clip", "averaging"])
def test_scores_do_not_depend_on_the_rows_beside_them(kind, request):
    scorer = request.getfixturevalue(kind)
    whole = scored(scorer)
    for rows in ((0,), (1,), (2, 1), (1, 2, 0)):
        assert scored(scorer, rows=rows).equals(whole.take(list(rows)))


def test_each_distinct_text_is_encoded_once(clip, monkeypatch):
    seen = []
    monkeypatch.setattr(TextTower, "_encode", lambda self, rows: seen.append(rows) or torch.ones(len(rows), 8))
    scored(clip, batch=8)
    assert [len(group) for group in seen] == [2, 2, 2]  # 5 distinct texts of 6, in calls of a quarter of the batch
    assert len(np.unique(np.concatenate(seen), axis=0)) == 5


def test_each_distinct_text_is_cut_into_tokens_once(clip, monkeypatch):
    seen = []
    tokens = clip.tokens
    monkeypatch.setattr(clip, "tokens", lambda texts: seen.append(list(texts)) or tokens(texts))
    scored(clip)
    assert seen == [["a red circle", "two stars", "red circle on white ground", LONG, "blue"]]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_near_and_its_features_have_length_one(model, clip, dtype):
    half = loaded(model, dtype=dtype)
    for found, wanted in ((half.images(pictures()), clip.images(pictures())), (half.texts(["a"]), clip.texts(["a"]))):
        assert found.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(found, wanted, atol=0.05)
    assert not np.array_equal(half.images(pictures()), clip.images(pictures()))


def test_an_architecture_takes_its_weights_from_a_file(tmp_path, monkeypatch, model, clip):
    shape = json.loads((tmp_path.parent / model[0] / "open_clip_config.json").read_text())["model_cfg"]
    text = {key: value for key, value in shape["text_cfg"].items() if key != "hf_tokenizer_name"}
    (tmp_path / "Tiny-1.json").write_text(json.dumps({**shape, "text_cfg": {**text, "vocab_size": 49408}}))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [])
    open_clip.add_model_config(tmp_path / "Tiny-1.json")
    torch.manual_seed(1)
    weights = open_clip.create_model("Tiny-1").state_dict()
    features = []
    for name in ("a.safetensors", "a.pt"):
        path = tmp_path / name
        save_file(weights, path) if name.endswith("tensors") else torch.save(weights, path)
        config = clip_params(model="Tiny-1", revision=file_revision(path), weights=str(path))
        features.append(Clip(config, "cpu").images([picture()]))
    np.testing.assert_array_equal(*features)
    for name in ("b.safetensors", "b.pt"):
        (tmp_path / name).write_bytes(b"no weights at all")
        config = clip_params(model="Tiny-1", revision=file_revision(tmp_path / name), weights=str(tmp_path / name))
        with pytest.raises(ModelError, match=r"^model Tiny-1 cannot be loaded"):
            Clip(config, "cpu")
    with pytest.raises(ModelError, match=r"has revision .*, not 0"):
        Clip(clip_params(model="Tiny-1", revision="0", weights=str(tmp_path / "a.pt")), "cpu")


def test_a_folder_without_weights_is_no_random_model(tmp_path):
    folder, _ = clip_folder(tmp_path)
    (tmp_path / "open_clip_model.safetensors").unlink()
    from pipeline.model_folders import write_revision

    with pytest.raises(ModelError, match="cannot be loaded"):
        Clip(clip_params(model=folder, revision=write_revision(tmp_path)), "cpu")


def test_models_are_named_as_open_clip_names_them(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **options: asked.update(name=name, **options) or "/snapshot"
    )
    named = [(str(tmp_path), "0"), ("ViT-B-32-quickgelu", "openai"), ("someone/CLIP", "abc")]
    assert [_open_clip_name(clip_params(model=model, revision=revision)) for model, revision in named] == [
        (f"local-dir:{tmp_path}", None),
        ("ViT-B-32-quickgelu", "openai"),
        ("local-dir:/snapshot", None),
    ]
    assert (asked["name"], asked["revision"]) == ("someone/CLIP", "abc")


def test_an_unknown_architecture_is_one_line():
    with pytest.raises(ModelError, match=r"^model ViT-X cannot be loaded: .*not found"):
        Clip(clip_params(model="ViT-X", revision="openai"), "cpu")


def test_pictures_and_prompts_share_one_loaded_model(model):
    config = clip_params(model=model[0], revision=model[1])
    assert clip_score.load(config, "cpu") is clip_score.load(config, "cpu")


def test_the_table_of_features_says_what_they_are():
    shape = clip_score.embeddings(8)
    assert shape.field("embedding").type == pa.list_(pa.float32(), 8)

import numpy as np
import open_clip
import pytest
import torch
from transformers import BertConfig, BertModel

from pipeline.clip_text_tower import Causal, TextTower

CONTEXT, EMBED, END = 40, 8, 31
VISION = {"image_size": 16, "patch_size": 8, "width": 8, "head_width": 4, "layers": 1}
TEXT = {"context_length": CONTEXT, "vocab_size": END + 1, "width": 8, "heads": 2, "layers": 2}


def model(kind=open_clip.CLIP, **text):
    torch.manual_seed(0)
    made = kind(embed_dim=EMBED, vision_cfg=VISION, text_cfg={**TEXT, **text}).eval()
    with torch.no_grad():  # open_clip starts with weights so small that every text looks alike
        for weights in made.parameters():
            weights.mul_(3)
    return made


def rows(*lengths, end=END):
    """Texts of so many tokens, start and end included, padded with noughts."""
    generator = np.random.default_rng(0)
    made = np.zeros((len(lengths), CONTEXT), dtype=np.int64)
    for row, length in zip(made, lengths, strict=True):
        row[: length - 1] = generator.integers(1, 30, length - 1)
        row[length - 1] = end
    return made


def whole(made, texts):
    with torch.no_grad():
        return made.encode_text(torch.from_numpy(texts)).float()


CAUSAL = {
    "clip, highest id": (open_clip.CLIP, {"pool_type": "argmax"}),
    "clip, end token": (open_clip.CLIP, {"pool_type": "eos", "eos_id": END}),
    "custom, highest id": (open_clip.CustomTextCLIP, {"pool_type": "argmax"}),
    "custom, end token": (open_clip.CustomTextCLIP, {"pool_type": "eos", "eos_id": END}),
    "custom, linear": (open_clip.CustomTextCLIP, {"pool_type": "argmax", "proj_bias": True}),
}
OTHER = {
    "last position": (open_clip.CLIP, {"pool_type": "last"}),
    "both ways": (open_clip.CustomTextCLIP, {"no_causal_mask": True}),
    "last position of a custom one": (open_clip.CustomTextCLIP, {"pool_type": "last"}),
    "class token": (open_clip.CustomTextCLIP, {"embed_cls": True}),
}


def hugging_face(tmp_path):
    config = BertConfig(
        vocab_size=END + 1, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    BertModel(config).save_pretrained(tmp_path)
    return model(open_clip.CustomTextCLIP, hf_model_name=str(tmp_path), hf_pooler_type="mean_pooler")


@pytest.mark.parametrize("name", CAUSAL)
def test_texts_at_their_own_length_have_the_features_of_the_whole_context(name):
    kind, text = CAUSAL[name]
    made, texts = model(kind, **text), rows(3, 40, 16, 17, 32, 33, 4)
    tower = TextTower(made, "cpu")
    assert tower.lengths(texts).tolist() == [16, 40, 16, 32, 32, 40, 16]
    wanted = whole(made, texts)
    np.testing.assert_allclose(tower(texts, 8), wanted, atol=2e-6 * float(wanted.abs().max()))
    assert np.ptp(wanted.numpy(), axis=0).min() > 1e-3  # else any order of rows would do


@pytest.mark.parametrize("name", OTHER)
def test_a_tower_where_later_positions_may_matter_reads_the_whole_context(name):
    kind, text = OTHER[name]
    made, texts = model(kind, **text), rows(3, 20, 7)
    tower = TextTower(made, "cpu")
    assert Causal.of(made) is None
    assert tower.lengths(texts).tolist() == [CONTEXT] * 3
    np.testing.assert_array_equal(tower(texts, 3), whole(made, texts))


def test_a_tower_of_hugging_face_reads_the_whole_context(tmp_path):
    made, texts = hugging_face(tmp_path), rows(3, 20, 7)
    assert Causal.of(made) is None
    np.testing.assert_array_equal(TextTower(made, "cpu")(texts, 3), whole(made, texts))


def test_a_class_that_is_not_known_reads_the_whole_context():
    class Other(open_clip.CLIP):
        """Might do anything with its texts."""

    assert Causal.of(model(Other)) is None


@pytest.mark.parametrize("spoilt", [(0, 1), (5, 2)])
def test_a_mask_that_is_not_quite_causal_is_seen(spoilt):
    made = model()
    made.attn_mask[spoilt] = 0.0 if spoilt[0] < spoilt[1] else -1.0
    assert Causal.of(made) is None


def test_a_text_without_an_end_is_pooled_where_the_model_pools_it():
    made, texts = model(pool_type="eos", eos_id=END), rows(20, 5, end=7)
    tower = TextTower(made, "cpu")
    assert tower.lengths(texts).tolist() == [16, 16]  # the model takes the first position
    np.testing.assert_allclose(tower(texts, 2), whole(made, texts), rtol=1e-5, atol=1e-6)


def test_the_others_leave_a_texts_bits_alone():
    made = model()
    tower, texts = TextTower(made, "cpu"), rows(3, 40, 16, 17, 32, 33, 4, 5, 6)
    together = tower(texts, 8)
    for row in range(len(texts)):
        assert torch.equal(tower(texts[row : row + 1], 8)[0], together[row])


def test_the_model_is_left_as_it_was():
    made, texts = model(), rows(3, 20)
    before = whole(made, texts)
    TextTower(made, "cpu")(texts, 2)
    assert made.attn_mask.shape == (CONTEXT, CONTEXT)
    assert torch.equal(whole(made, texts), before)


def test_calls_for_a_length_have_the_same_number_of_rows(monkeypatch):
    tower, shapes = TextTower(model(), "cpu"), []
    encode = tower._encode
    monkeypatch.setattr(tower, "_encode", lambda group: shapes.append(group.shape) or encode(group))
    tower(rows(3, 40, 5, 6), 8)
    assert shapes == [(2, 16), (2, 16), (2, 40)]

import pytest
import torch
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration

from pipeline.errors import ModelError
from pipeline.lavis import weights


@pytest.fixture(scope="module")
def blip(model):
    return BlipForConditionalGeneration.from_pretrained(model[0])


def test_every_weight_has_one_name_and_its_values(blip):
    state = blip.state_dict()
    renamed = weights.renamed(state)
    assert len(renamed) == len(state)
    assert sorted(tensor.sum().item() for tensor in renamed.values()) == sorted(
        tensor.sum().item() for tensor in state.values()
    )
    for theirs, ours in {
        "visual_encoder.cls_token": "vision_model.embeddings.class_embedding",
        "visual_encoder.pos_embed": "vision_model.embeddings.position_embedding",
        "visual_encoder.patch_embed.proj.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual_encoder.blocks.1.attn.qkv.bias": "vision_model.encoder.layers.1.self_attn.qkv.bias",
        "visual_encoder.blocks.0.attn.proj.weight": "vision_model.encoder.layers.0.self_attn.projection.weight",
        "visual_encoder.blocks.1.norm2.bias": "vision_model.encoder.layers.1.layer_norm2.bias",
        "visual_encoder.blocks.1.mlp.fc1.weight": "vision_model.encoder.layers.1.mlp.fc1.weight",
        "visual_encoder.norm.weight": "vision_model.post_layernorm.weight",
        "text_decoder.cls.predictions.decoder.weight": "text_decoder.cls.predictions.decoder.weight",
    }.items():
        assert torch.equal(renamed[theirs], state[ours])


def test_tied_weights_are_written_apart(blip):
    renamed = weights.renamed(blip.state_dict())
    places = [tensor.data_ptr() for tensor in renamed.values()]
    assert len(set(places)) == len(places)


def test_a_weight_without_a_name_is_refused():
    with pytest.raises(ModelError, match=r"^blip.backend lavis has no weight vision_model.extra.weight: take"):
        weights.renamed({"vision_model.extra.weight": torch.zeros(1)})


def test_sizes_are_the_models_own(blip):
    shape = weights.shape(blip.config)
    assert shape["vision"] == {
        "img_size": 16, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 1.5,
        "layer_norm_eps": blip.config.vision_config.layer_norm_eps,
    }  # fmt: skip
    assert (shape["text"]["bos_token_id"], shape["text"]["encoder_width"], shape["text"]["vocab_size"]) == (4, 16, 23)
    assert shape["text"]["layer_norm_eps"] == 1e-12


def test_another_activation_is_refused():
    with pytest.raises(ModelError, match=r"^blip.backend lavis computes gelu in BLIP's vision part, not relu$"):
        weights.shape(BlipConfig(vision_config={"hidden_act": "relu"}))


def test_the_vocabulary_is_told_line_by_line():
    assert weights.vocabulary(BertTokenizer(vocab={"[UNK]": 0, "[SEP]": 2, "[PAD]": 1, "[CLS]": 3, "[MASK]": 4})) == [
        "[UNK]", "[PAD]", "[SEP]", "[CLS]", "[MASK]",
    ]  # fmt: skip


def test_numbers_with_gaps_are_refused():
    class Gapped:
        def get_vocab(self):
            return {"a": 0, "b": 2}

    with pytest.raises(ModelError, match="needs a tokenizer whose numbers have no gaps"):
        weights.vocabulary(Gapped())

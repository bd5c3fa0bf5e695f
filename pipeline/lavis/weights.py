"""The same BLIP in LAVIS's words: names of weights, sizes, vocabulary.

LAVIS's captioner and transformers' ``BlipForConditionalGeneration`` are one network written twice. The decoders are
named alike; the vision transformers have other names (LAVIS's are timm's).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from pipeline.errors import ModelError

ACTIVATION = "gelu"  # LAVIS's vision transformer knows no other

RENAMED = (
    (r"^vision_model\.embeddings\.class_embedding$", "visual_encoder.cls_token"),
    (r"^vision_model\.embeddings\.position_embedding$", "visual_encoder.pos_embed"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "visual_encoder.patch_embed.proj."),
    (r"^vision_model\.encoder\.layers\.(\d+)\.self_attn\.projection\.", r"visual_encoder.blocks.\1.attn.proj."),
    (r"^vision_model\.encoder\.layers\.(\d+)\.self_attn\.qkv\.", r"visual_encoder.blocks.\1.attn.qkv."),
    (r"^vision_model\.encoder\.layers\.(\d+)\.layer_norm([12])\.", r"visual_encoder.blocks.\1.norm\2."),
    (r"^vision_model\.encoder\.layers\.(\d+)\.mlp\.", r"visual_encoder.blocks.\1.mlp."),
    (r"^vision_model\.post_layernorm\.", "visual_encoder.norm."),
    (r"^text_decoder\.", "text_decoder."),
)


def renamed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of a ``BlipForConditionalGeneration`` under LAVIS's names.

    Raises:
        ModelError: a weight has no name there.
    """
    return {_name(key): tensor.detach().clone().contiguous() for key, tensor in state.items()}


def _name(key: str) -> str:
    for pattern, words in RENAMED:
        found, count = re.subn(pattern, words, key)
        if count:
            return found
    raise ModelError(f"blip.backend lavis has no weight {key}: take blip.backend transformers for this model")


def shape(config: Any) -> dict[str, dict[str, Any]]:
    """The sizes that LAVIS's network is built with: arguments of its vision transformer, its BERT's configuration.

    Args:
        config: a ``BlipConfig``.

    Raises:
        ModelError: LAVIS's network cannot be this model.
    """
    vision, text = config.vision_config, config.text_config
    if vision.hidden_act != ACTIVATION:
        raise ModelError(f"blip.backend lavis computes {ACTIVATION} in BLIP's vision part, not {vision.hidden_act}")
    return {"vision": dict(_vision(vision)), "text": dict(_text(text))}


def _vision(config: Any) -> Iterator[tuple[str, Any]]:
    yield "img_size", config.image_size
    yield "patch_size", config.patch_size
    yield "embed_dim", config.hidden_size
    yield "depth", config.num_hidden_layers
    yield "num_heads", config.num_attention_heads
    yield "mlp_ratio", config.intermediate_size / config.hidden_size
    yield "layer_norm_eps", config.layer_norm_eps  # LAVIS's own is 1e-6, transformers' 1e-5


def _text(config: Any) -> Iterator[tuple[str, Any]]:
    same = "hidden_size intermediate_size num_hidden_layers num_attention_heads max_position_embeddings hidden_act"
    for name in (*same.split(), "layer_norm_eps", "vocab_size", "pad_token_id", "bos_token_id", "sep_token_id"):
        yield name, getattr(config, name)
    yield "encoder_width", config.encoder_hidden_size
    yield "add_type_embeddings", False
    yield "add_cross_attention", True


def vocabulary(tokenizer: Any) -> list[str]:
    """The tokens in the order of their numbers: the lines of a BERT tokenizer's ``vocab.txt``.

    Raises:
        ModelError: the numbers have gaps, so that lines could not say them.
    """
    numbers = sorted((number, token) for token, number in tokenizer.get_vocab().items())
    if [number for number, _ in numbers] != list(range(len(numbers))):
        raise ModelError("blip.backend lavis needs a tokenizer whose numbers have no gaps")
    return [token for _, token in numbers]

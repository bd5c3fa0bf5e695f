"""Tiny random models of the evaluation's real architectures, saved as folders."""

from collections.abc import Sequence
from pathlib import Path

import open_clip
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForQuestionAnswering,
    BlipProcessor,
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2Processor,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
    SiglipProcessor,
    SwinConfig,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from pipeline.model_folders import write_revision

WORDS = ["a", "photo", "of", "red", "blue", "circle", "star", "two", "is", "there", "yes", "no", "?", "."]
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
SMALL = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**SMALL, "image_size": 16, "patch_size": 8, "initializer_range": 0.5}
BERT_WORDS = [*MARKS, "[MASK]", *WORDS]
Named = tuple[str, str]


def _tokenizer() -> PreTrainedTokenizerFast:
    words = ["<pad>", "<s>", "</s>", "<unk>", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def _bert() -> BertTokenizer:
    names = [*MARKS, "[DEC]", "[MASK]", *WORDS]
    return BertTokenizer(vocab={word: at for at, word in enumerate(names)})


def _saved(folder: Path, model: torch.nn.Module, processor: object) -> Named:
    model.save_pretrained(folder)  # type: ignore[operator]
    processor.save_pretrained(folder)  # type: ignore[attr-defined]
    return str(folder), write_revision(folder)


def clip(folder: Path) -> Named:
    """A CLIPModel."""
    torch.manual_seed(0)
    ends = {"eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0}
    text = {**SMALL, **ends, "vocab_size": 32, "max_position_embeddings": 8, "initializer_range": 0.5}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=16))
    size = {"shortest_edge": 16}
    images = CLIPImageProcessorPil(size=size, crop_size={"height": 16, "width": 16})
    return _saved(folder, model, CLIPProcessor(images, _tokenizer()))


def siglip(folder: Path) -> Named:
    """A SiglipModel."""
    torch.manual_seed(0)
    text = {**SMALL, "vocab_size": 32, "max_position_embeddings": 8, "pad_token_id": 0, "projection_size": 16}
    text |= {"bos_token_id": 1, "eos_token_id": 2}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=VISION))
    torch.nn.init.constant_(model.logit_scale, 2.0)
    torch.nn.init.constant_(model.logit_bias, -3.0)
    images = SiglipImageProcessorPil(size={"height": 16, "width": 16})
    return _saved(folder, model, SiglipProcessor(images, _tokenizer()))


def blip_vqa(folder: Path, *, words: Sequence[str] = BERT_WORDS, vocabulary: int = 21) -> Named:
    """A BlipForQuestionAnswering for pictures of 240 pixels a side, four places each.

    Args:
        folder: where it is saved.
        words: of the tokenizer; as published, [DEC] and [ENC] are not among them.
        vocabulary: rows of the embedding, of which [DEC] is the last but one.
    """
    torch.manual_seed(0)
    text = {**SMALL, "vocab_size": vocabulary, "max_position_embeddings": 40, "encoder_hidden_size": 16}
    text |= {"bos_token_id": vocabulary - 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    text |= {"initializer_range": 0.5}
    vision = {**VISION, "image_size": 240, "patch_size": 120}
    model = BlipForQuestionAnswering(BlipConfig(text_config=text, vision_config=vision, projection_dim=16))
    torch.nn.init.normal_(model.vision_model.embeddings.position_embedding)
    images = BlipImageProcessorPil(size={"height": 240, "width": 240})
    tokenizer = BertTokenizer(vocab={word: at for at, word in enumerate(words)})
    return _saved(folder, model, BlipProcessor(images, tokenizer))


def owlv2(folder: Path) -> Named:
    """An Owlv2ForObjectDetection."""
    torch.manual_seed(0)
    text = {**SMALL, "vocab_size": 32, "max_position_embeddings": 8, "pad_token_id": 0, "bos_token_id": 1}
    model = Owlv2ForObjectDetection(Owlv2Config(text_config=text, vision_config=VISION, projection_dim=16))
    images = Owlv2ImageProcessorPil(size={"height": 16, "width": 16})
    tokenizer = _tokenizer()
    tokenizer.model_max_length = 8
    return _saved(folder, model, Owlv2Processor(images, tokenizer))


def grounding_dino(folder: Path) -> Named:
    """A GroundingDinoForObjectDetection over a Swin."""
    torch.manual_seed(0)
    swin = SwinConfig(
        image_size=32,
        patch_size=2,
        embed_dim=8,
        depths=[1, 1, 1],
        num_heads=[1, 1, 1],
        window_size=2,
        out_features=["stage1", "stage2", "stage3"],
    )
    text = {"model_type": "bert", **SMALL, "vocab_size": 24, "max_position_embeddings": 16}
    size = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2}
    size |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "num_queries": 5}
    size |= {"num_feature_levels": 3, "max_text_len": 16, "encoder_n_points": 2, "decoder_n_points": 2}
    model = GroundingDinoForObjectDetection(GroundingDinoConfig(backbone_config=swin, text_config=text, **size))
    images = GroundingDinoImageProcessorPil(size={"shortest_edge": 32, "longest_edge": 32})
    return _saved(folder, model, GroundingDinoProcessor(images, _bert()))


def resnet_clip() -> open_clip.CLIP:
    """A CLIP whose pictures go through a ResNet with an attention pool, as RN50."""
    torch.manual_seed(0)
    vision = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 4, "head_width": 8}
    text = {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1}
    return open_clip.CLIP(embed_dim=8, vision_cfg=vision, text_cfg=text, quick_gelu=True).eval()

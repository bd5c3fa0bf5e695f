"""Tiny untrained models in the real architectures, saved as folders: what the frozen stages load in tests."""

import json

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from pipeline.clip_rule import ClipParams
from pipeline.llm import LlmParams
from pipeline.model_folders import write_revision

WORDS = [
    "a",
    "two",
    "three",
    "red",
    "blue",
    "green",
    "circle",
    "circles",
    "star",
    "stars",
    "person",
    "jumping",
    "on",
    "over",
    "white",
    "ground",
    "picture",
    "of",
]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]


def picture(colour="red", size=(40, 32)):
    """A plain picture with a dark corner, so that no two sides are alike."""
    drawn = Image.new("RGB", size, colour)
    drawn.paste("black", (0, 0, size[0] // 2, size[1] // 3))
    return drawn


def noise(seed, side=24):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def word_tokenizer(*, start=True, end=False):
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    template = " ".join(["<s>"] * start + ["$A"] + ["</s>"] * end)
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("<s>", 1), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def llm_params(**changes):
    """The paper's way of pooling, for a model that is named in ``changes``."""
    values = {"model": "m", "revision": "r", "layer": 1, "layers": "all", "dtype": "float32", "quantisation": "none"}
    values |= {"store_dtype": "float16", "final_norm": False, "pool_bos": False}
    return LlmParams(**values | {"states": "pooled", "states_layer": "last"} | changes)


def llama(layers=4, width=16):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=width,
        intermediate_size=24,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=32,
        initializer_range=0.5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval()


def llama_folder(folder):
    llama().save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return str(folder), write_revision(folder)


def blip_folder(folder):
    torch.manual_seed(0)
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", *WORDS])}
    size = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"vocab_size": len(vocabulary), "max_position_embeddings": 16, "encoder_hidden_size": 16}
    ends = {"bos_token_id": 4, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    config = BlipConfig(
        text_config={**size, **text, **ends, "initializer_range": 0.5},
        vision_config={**size, "image_size": 16, "patch_size": 8, "initializer_range": 0.5},
        projection_dim=16,
    )
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return str(folder), write_revision(folder)


def clip_folder(folder, *, own_tokenizer=True):
    """With ``own_tokenizer`` a Hugging Face one of the folder, else open_clip's."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    text = {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1}
    if own_tokenizer:
        text |= {"vocab_size": 32, "hf_tokenizer_name": ".", "pool_type": "eos", "eos_id": 2, "pad_id": 0}
        word_tokenizer(end=True).save_pretrained(folder)
    vision = {"image_size": 16, "patch_size": 8, "width": 8, "head_width": 4, "layers": 1}
    shape = {"embed_dim": 8, "vision_cfg": vision, "text_cfg": text}
    model = open_clip.CLIP(**shape)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": shape, "preprocess_cfg": {}}))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return str(folder), write_revision(folder)


def clip_params(**changed):
    """Section clip with the paper's rule; the model is only a name unless one is given."""
    plain = {"model": "m", "revision": "r", "weights": None, "dtype": "float32", "long_prompts": "truncate"}
    return ClipParams(**{**plain, "margin": 0.0, "min_simple": None, "min_complex": None, **changed})

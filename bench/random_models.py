"""BLIP, CLIP and LLaMA of any shape with random weights, as folders; the same shape gives the same bytes."""

import json
from pathlib import Path
from typing import Any

import torch

from bench import random_llama
from pipeline.model_folders import write_revision

Named = tuple[str, str]
"""A model's folder and its revision."""
SEED = 0
VISION_SPREAD = 0.02  # BLIP's default of 1e-10 is for weights that come from a ViT: all pictures would look the same
POSITION_SPREAD = 1.0
CROSS_GAIN = 0.5


def blip_folder(folder: Path, config: Any, device: str = "cpu") -> Named:
    """BLIP with a tokenizer of its vocabulary's size and its processor.

    Random weights say one word again and again, which the stage drops; so a word's place counts much, and the picture.
    """
    from transformers import BertTokenizer, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    config.vision_config.initializer_range = VISION_SPREAD
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(SEED)
        model = BlipForConditionalGeneration(config)
        decoder = model.text_decoder.bert
        torch.nn.init.normal_(decoder.embeddings.position_embeddings.weight, std=POSITION_SPREAD)
        for layer in decoder.encoder.layer:
            layer.crossattention.output.dense.weight.data.mul_(CROSS_GAIN)
        model.save_pretrained(folder)
    marks = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": config.text_config.sep_token_id}
    BertTokenizer(vocab=random_llama.words(config.text_config.vocab_size, marks)).save_pretrained(folder)
    side = config.vision_config.image_size
    BlipImageProcessorPil(size={"height": side, "width": side}).save_pretrained(folder)
    return str(folder), write_revision(folder)


def clip_folder(folder: Path, config: dict[str, Any], device: str = "cpu") -> Named:
    """CLIP in open_clip's form; open_clip brings the tokenizer."""
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(SEED)
        weights = open_clip.CLIP(**config).state_dict()
    save_file(weights, folder / "open_clip_model.safetensors")
    told = json.dumps({"model_cfg": config, "preprocess_cfg": {}})
    (folder / "open_clip_config.json").write_text(told, encoding="utf-8")
    return str(folder), write_revision(folder)


def llama_folder(folder: Path, config: Any) -> Named:
    """A LLaMA in bfloat16."""
    random_llama.write(folder, config)
    return str(folder), write_revision(folder)

"""Stable Diffusion 1.5, 2.1 and XL in their real shapes with random weights: for measuring, not for pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from pipeline.diffusion import Diffusion
from pipeline.model_folders import write_revision
from pipeline.vae import Codec, frozen
from pipeline.vision_shim import ensure_torchvision

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,"
VOCABULARY = 49_408
SEED = 0
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
OPEN_CLIP_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16}
OPEN_CLIP_BIG_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}


@dataclass(frozen=True)
class Shape:
    """What tells a published model's shape from the others'."""

    side_px: int
    """Of the pictures that it draws."""
    unet: Mapping[str, Any]
    """Of diffusers' ``UNet2DConditionModel``, beside its defaults, which are Stable Diffusion 1.x."""
    text: Mapping[str, Any]
    """Of transformers' ``CLIPTextConfig``."""
    second_text: Mapping[str, Any] | None = None
    """Of the second encoder, where there is one."""
    prediction: str = "epsilon"
    vae: Mapping[str, Any] = field(default_factory=dict)
    """Of diffusers' ``AutoencoderKL``, where it differs from the one that all published models share."""


XL_UNET = {
    "cross_attention_dim": 2048,
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": [1, 2, 10],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 1280 + 6 * 256,
}
V2_UNET = {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
SHAPES = {
    "sd15": Shape(512, {"cross_attention_dim": 768, "attention_head_dim": 8}, CLIP_L),
    "sd21": Shape(768, V2_UNET, OPEN_CLIP_H, prediction="v_prediction"),
    "sdxl": Shape(1024, XL_UNET, CLIP_L, OPEN_CLIP_BIG_G),
}
"""As the published ``config.json`` files say."""


def stable_diffusion(shape: Shape, *, device: str, dtype: torch.dtype) -> Diffusion:
    """A model of this shape, frozen, without a download.

    Args:
        shape: one of :data:`SHAPES`.
        device: a torch device; ``meta`` makes shapes alone.
        dtype: of the weights.
    """
    ensure_torchvision()
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel

    with torch.device(device):
        vae = AutoencoderKL(**{**VAE, **shape.vae}, sample_size=shape.side_px)
        unet = UNet2DConditionModel(sample_size=shape.side_px // 8, **shape.unet)
        text_encoder = CLIPTextModel(_text_config(shape.text))
    noise = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    scheduler = DDPMScheduler(**noise, prediction_type=shape.prediction, steps_offset=1)
    return Diffusion(
        codec=Codec(vae=frozen(vae.to(dtype), device), device=device, dtype=dtype),
        tokenizer=_tokenizer(),
        text_encoder=frozen(text_encoder.to(dtype), device),
        unet=frozen(unet.to(dtype), device),
        scheduler=scheduler,
        alphas_cumprod=scheduler.alphas_cumprod.float(),
        **_second(shape, device, dtype),
    )


def folder(path: Path, shape: Shape, *, dtype: torch.dtype = torch.bfloat16) -> tuple[str, str]:
    """A model as a folder in diffusers' layout, and its revision; the same shape gives the same bytes."""
    from diffusers.utils import logging

    logging.set_verbosity_error()  # it would tell that no module is kept in float32
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = stable_diffusion(shape, device="cpu", dtype=dtype)
    model.pipeline("pndm").save_pretrained(path)
    return str(path), write_revision(path)


def _second(shape: Shape, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """The second encoder and its tokenizer, where the shape has them."""
    from transformers import CLIPTextModelWithProjection

    if shape.second_text is None:
        return {}
    with torch.device(device):
        encoder = CLIPTextModelWithProjection(_text_config(shape.second_text))
    made = frozen(encoder.to(dtype), device)
    return {"text_encoder_2": made, "tokenizer_2": _tokenizer(), "zeroes_empty_text": True}


def _text_config(text: Mapping[str, Any]) -> Any:
    """A projection, where the class has one, is as wide as the encoder: SDXL's is."""
    from transformers import CLIPTextConfig

    ends = {"eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}
    return CLIPTextConfig(vocab_size=VOCABULARY, **text, projection_dim=text["hidden_size"], **ends)


def _tokenizer() -> Any:
    """Letters as tokens: every prompt fills the same 77 places, whatever its words."""
    from transformers import CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    return CLIPTokenizer(vocab={word: row for row, word in enumerate(words)}, merges=[], model_max_length=77)

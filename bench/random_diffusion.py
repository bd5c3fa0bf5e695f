"""Stable Diffusion 1.5 in its real shape with random weights, made in memory: for measuring, not for pictures."""

from typing import Any

import torch

from pipeline.diffusion import Diffusion
from pipeline.vae import Codec, frozen
from pipeline.vision_shim import ensure_torchvision

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,"
VOCABULARY = 49_408


def stable_diffusion_15(*, device: str, dtype: torch.dtype) -> Diffusion:
    """The model, frozen, without a download.

    Args:
        device: a torch device; ``meta`` makes shapes alone.
        dtype: of the weights.
    """
    ensure_torchvision()
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device(device):
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
            sample_size=512,
        )
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=VOCABULARY,
                hidden_size=768,
                intermediate_size=3072,
                num_hidden_layers=12,
                num_attention_heads=12,
                eos_token_id=1,
                bos_token_id=0,
                pad_token_id=1,
            )
        )
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    return Diffusion(
        codec=Codec(vae=frozen(vae.to(dtype), device), device=device, dtype=dtype),
        tokenizer=_tokenizer(),
        text_encoder=frozen(text_encoder.to(dtype), device),
        unet=frozen(unet.to(dtype), device),
        scheduler=scheduler,
        alphas_cumprod=scheduler.alphas_cumprod.float(),
    )


def _tokenizer() -> Any:
    """Letters as tokens: every prompt fills the same 77 places, whatever its words."""
    from transformers import CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    return CLIPTokenizer(vocab={word: row for row, word in enumerate(words)}, merges=[], model_max_length=77)

"""Stable Diffusion 1.5 in its real shape with random weights: for measuring, not for pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.diffusion import Diffusion
from pipeline.model_folders import write_revision
from pipeline.vae import Codec, frozen
from pipeline.vision_shim import ensure_torchvision

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,"
SEED = 0


@dataclass(frozen=True)
class Shape:
    """What the sizes of a one-encoder Stable Diffusion follow from; the defaults are those of version 1.5."""

    vae_widths: tuple[int, ...] = (128, 256, 512, 512)
    unet_widths: tuple[int, ...] = (320, 640, 1280, 1280)
    groups: int = 32
    """Groups of each group norm; they share all widths above."""
    text_width: int = 768
    text_layers: int = 12
    heads: int = 12
    """Of the text encoder."""
    vocabulary: int = 49_408
    side_px: int = 512


SD_15 = Shape()


def stable_diffusion_15(*, device: str, dtype: torch.dtype, shape: Shape = SD_15) -> Diffusion:
    """The model, frozen, made in memory without a download.

    Args:
        device: a torch device; ``meta`` makes shapes alone.
        dtype: of the weights.
        shape: another than the real one, for tests.
    """
    ensure_torchvision()
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device(device):
        vae = AutoencoderKL(
            block_out_channels=shape.vae_widths,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
            norm_num_groups=shape.groups,
            sample_size=shape.side_px,
        )
        unet = UNet2DConditionModel(
            sample_size=shape.side_px // 8,
            block_out_channels=shape.unet_widths,
            norm_num_groups=shape.groups,
            cross_attention_dim=shape.text_width,
            attention_head_dim=8,
        )
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=shape.vocabulary,
                hidden_size=shape.text_width,
                intermediate_size=4 * shape.text_width,
                num_hidden_layers=shape.text_layers,
                num_attention_heads=shape.heads,
                eos_token_id=1,
                bos_token_id=0,
                pad_token_id=1,
            )
        )
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)
    return Diffusion(
        codec=Codec(vae=frozen(vae.to(dtype), device), device=device, dtype=dtype),
        tokenizer=_tokenizer(),
        text_encoder=frozen(text_encoder.to(dtype), device),
        unet=frozen(unet.to(dtype), device),
        scheduler=scheduler,
        alphas_cumprod=scheduler.alphas_cumprod.float(),
    )


def folder(path: Path, shape: Shape = SD_15, *, dtype: torch.dtype = torch.bfloat16) -> tuple[str, str]:
    """The model as a folder in diffusers' layout, and its revision; the same shape gives the same bytes."""
    from diffusers.utils import logging

    logging.set_verbosity_error()  # it would tell that no module is kept in float32
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = stable_diffusion_15(device="cpu", dtype=dtype, shape=shape)
    model.pipeline("pndm").save_pretrained(path)
    return str(path), write_revision(path)


def _tokenizer() -> Any:
    """Letters as tokens: every prompt fills the same 77 places, whatever its words."""
    from transformers import CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    return CLIPTokenizer(vocab={word: row for row, word in enumerate(words)}, merges=[], model_max_length=77)

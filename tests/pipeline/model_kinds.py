"""Stable Diffusion 2 and XL in their real architectures, so small that they are made in a second, as folders.

Sizes are tiny; what tells the kinds apart is as in the published models: v-prediction, gelu, linear projections in the
attention blocks, ``!`` as padding, ``eos_token_id`` 2 in files of text encoders, Euler's scheduler, the VAE's scale.
"""

import functools
import json

import torch

from pipeline import diffusion, model_folders
from pipeline.adapters.folder import Named
from pipeline.vision_shim import ensure_torchvision
from tests.pipeline.tiny_models import CHANNELS, SIDE, kept_folder

KINDS = ("sd2", "sdxl")
WIDTHS = {"sd2": 24, "sdxl": 16 + 24}
PROJECTION, TIME_WIDTH = 20, 8
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


@functools.cache
def folder(kind):
    """The model as a folder, made once a test run."""
    path = kept_folder(f"tiny-{kind}")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        {"sd2": _sd2, "sdxl": _sdxl}[kind]().save_pretrained(path)
    model_folders.write_revision(path)
    return path


def named(kind):
    return Named(model=str(folder(kind)), revision=model_folders.folder_digest(folder(kind)))


def load(kind, dtype=torch.float32):
    return diffusion.load(*named(kind).model_dump().values(), device="cpu", dtype=dtype)


def stock(kind):
    """The whole folder as diffusers loads it."""
    ensure_torchvision()
    from diffusers import DiffusionPipeline

    made = DiffusionPipeline.from_pretrained(folder(kind))
    made.set_progress_bar_config(disable=True)
    return made


def edited(kind, target, name, **changes):
    """A copy of the folder with keys of one JSON file changed; weights are links. Gives its path."""
    for path in folder(kind).rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(folder(kind))
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(path)
    content = json.loads((target / name).read_text()) | changes
    (target / name).unlink()
    (target / name).write_text(json.dumps(content))
    return target


def _sd2():
    ensure_torchvision()
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    width = WIDTHS["sd2"]
    unet = UNet2DConditionModel(**_unet(width), transformer_layers_per_block=1)
    return StableDiffusionPipeline(
        vae=_vae(0.18215), text_encoder=CLIPTextModel(_text(width, "gelu")), tokenizer=_tokenizer("!"), unet=unet,
        scheduler=DDIMScheduler(**NOISE, prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def _sdxl():
    ensure_torchvision()
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    unet = UNet2DConditionModel(
        **_unet(WIDTHS["sdxl"]), transformer_layers_per_block=[1, 2], addition_embed_type="text_time",
        addition_time_embed_dim=TIME_WIDTH, projection_class_embeddings_input_dim=PROJECTION + 6 * TIME_WIDTH,
    )  # fmt: skip
    return StableDiffusionXLPipeline(
        vae=_vae(0.13025), text_encoder=CLIPTextModel(_text(16, "quick_gelu")), tokenizer=_tokenizer("<|endoftext|>"),
        text_encoder_2=CLIPTextModelWithProjection(_text(24, "gelu", projection_dim=PROJECTION)),
        tokenizer_2=_tokenizer("!"), unet=unet, scheduler=EulerDiscreteScheduler(**NOISE, timestep_spacing="leading"),
        force_zeros_for_empty_prompt=True, add_watermarker=False,
    )  # fmt: skip


def _text(width, activation, **changes):
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=600, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=77, hidden_act=activation, bos_token_id=0, eos_token_id=2, pad_token_id=1, **changes,
    )  # fmt: skip


def _unet(width):
    return {
        "sample_size": SIDE // 2, "in_channels": CHANNELS, "out_channels": CHANNELS, "cross_attention_dim": width,
        "block_out_channels": (8, 16), "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "layers_per_block": 1, "norm_num_groups": 4,
        "attention_head_dim": [2, 4], "use_linear_projection": True,
    }  # fmt: skip


def _vae(scaling_factor):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=CHANNELS, norm_num_groups=2, layers_per_block=1,
        sample_size=SIDE, scaling_factor=scaling_factor, force_upcast=True,
    )  # fmt: skip


def _tokenizer(padding):
    """Letters as tokens; the end has the greatest id, as in CLIP's vocabulary."""
    from transformers import CLIPTokenizer

    letters = "!abcdefghijklmnopqrstuvwxyz0123456789.,"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: row for row, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77, pad_token=padding)

"""The miniature's models, untrained: the real architectures in small sizes.

All take 64 x 64 RGB pictures; the sizes were chosen so that all weights together stay below 32 MB in 16 bits.
"""

from typing import Any

from miniature.variants import MAIN, Variant
from pipeline.vision_shim import ensure_torchvision

SIDE_PX = 64
PATCH_PX = 8
LATENT_CHANNELS = 8
TEXT_WIDTH = 128
LLAMA_WIDTH = 64


def blip(tokenizer: Any) -> Any:
    """A `BlipForConditionalGeneration`: 4 vision layers and 3 text layers of width 128."""
    ensure_torchvision()
    from transformers import BlipConfig, BlipForConditionalGeneration

    ids = tokenizer.convert_tokens_to_ids
    width = {"hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 4}
    text = {
        **width,
        "num_hidden_layers": 3,
        "encoder_hidden_size": 128,
        "projection_dim": 128,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 64,
        "bos_token_id": ids("[DEC]"),
        "eos_token_id": ids("[SEP]"),
        "sep_token_id": ids("[SEP]"),
        "pad_token_id": ids("[PAD]"),
        "attention_probs_dropout_prob": 0.0,
        "hidden_dropout_prob": 0.0,
        "hidden_act": "gelu",
    }
    vision = {
        **width,
        "num_hidden_layers": 4,
        "image_size": SIDE_PX,
        "patch_size": PATCH_PX,
        "projection_dim": 128,
        "initializer_range": 0.02,  # BLIP's default of 1e-10 is for weights that come from a ViT
    }
    config = BlipConfig(
        text_config=text, vision_config=vision, projection_dim=128, image_text_hidden_size=128, label_smoothing=0.0
    )
    return BlipForConditionalGeneration(config)


def blip_processor(tokenizer: Any) -> Any:
    """The `BlipProcessor` beside `blip`: 64 x 64 pixels, values to -1 .. 1."""
    ensure_torchvision()
    from transformers import BlipImageProcessor, BlipProcessor

    side = {"height": SIDE_PX, "width": SIDE_PX}
    images = BlipImageProcessor(size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    return BlipProcessor(images, tokenizer)


def clip_config(tokenizer: Any) -> dict[str, Any]:
    """An `open_clip_config.json`: both towers of width 128, embeddings of 64."""
    model = {
        "embed_dim": 64,
        "vision_cfg": {
            "image_size": SIDE_PX,
            "patch_size": PATCH_PX,
            "layers": 3,
            "width": 128,
            "head_width": 32,
            "mlp_ratio": 2.0,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": len(tokenizer),
            "hf_tokenizer_name": ".",
            "width": 128,
            "heads": 4,
            "layers": 3,
            "mlp_ratio": 2.0,
            "pool_type": "eos",
            "eos_id": tokenizer.eos_token_id,
            "pad_id": tokenizer.pad_token_id,
        },
    }
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
    return {"model_cfg": model, "preprocess_cfg": preprocess}


def clip(config: dict[str, Any]) -> Any:
    """The open_clip `CLIP` that `clip_config` describes."""
    ensure_torchvision()
    from open_clip.model import CLIP

    model = config["model_cfg"]
    return CLIP(model["embed_dim"], vision_cfg=model["vision_cfg"], text_cfg=dict(model["text_cfg"]))


def llama(tokenizer: Any, *, layers: int = 40, width: int = LLAMA_WIDTH) -> Any:
    """A `LlamaForCausalLM`, its inner layers twice as wide; its residual branches start small.

    Deep narrow stacks need that: every branch adds a (2 layers)-th of the variance that it would add otherwise.
    """
    ensure_torchvision()
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=128,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=0.08,
    )
    model = LlamaForCausalLM(config)
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.data /= (2 * layers) ** 0.5
        layer.mlp.down_proj.weight.data /= (2 * layers) ** 0.5
    return model


def vae(variant: Variant = MAIN) -> Any:
    """An `AutoencoderKL` with factor 8: 64 x 64 x 3 to 8 x 8 x 8."""
    ensure_torchvision()
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=variant.vae_channels,
        layers_per_block=1,
        norm_num_groups=variant.vae_groups,
        latent_channels=LATENT_CHANNELS,
        mid_block_add_attention=False,
        sample_size=SIDE_PX,
    )


def text_encoder(tokenizer: Any) -> Any:
    """A `CLIPTextModel` of width 128 with 3 layers."""
    ensure_torchvision()
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        projection_dim=TEXT_WIDTH,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def unet(variant: Variant = MAIN) -> Any:
    """A `UNet2DConditionModel` over 8 x 8 latents with text attention at both of its resolutions."""
    ensure_torchvision()
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=SIDE_PX // PATCH_PX,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=variant.unet_channels,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=variant.unet_groups,
    )


def controlnet() -> Any:
    """A `ControlNetModel` for the main U-Net and RGB conditions of 64 x 64, without text attention.

    What the text says reaches the U-Net itself; the condition's places need none of it, and half of the weights go.
    """
    ensure_torchvision()
    from diffusers import ControlNetModel

    return ControlNetModel(
        in_channels=LATENT_CHANNELS,
        conditioning_channels=3,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        mid_block_type="UNetMidBlock2D",
        block_out_channels=MAIN.unet_channels,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=MAIN.unet_groups,
        conditioning_embedding_out_channels=(16, 32, 32, 64),
    )


def scheduler() -> Any:
    """A `DDIMScheduler` with a longer noise schedule than Stable Diffusion's (beta up to 0.02 instead of 0.012).

    With theirs 7 % of the signal is left at the end, and a plain ground shows through the noise of all 64 places.
    """
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.02,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def pipeline(vae: Any, text_encoder: Any, tokenizer: Any, unet: Any, *, controlnet: Any = None) -> Any:
    """The `StableDiffusionPipeline` of the parts, or the one with a ControlNet; without a safety checker."""
    ensure_torchvision()
    from diffusers import StableDiffusionControlNetPipeline, StableDiffusionPipeline

    parts = {
        "vae": vae,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "unet": unet,
        "scheduler": scheduler(),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    if controlnet is None:
        return StableDiffusionPipeline(**parts)
    return StableDiffusionControlNetPipeline(**parts, controlnet=controlnet)

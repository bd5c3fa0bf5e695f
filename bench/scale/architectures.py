"""The real architectures, built from their configs without any weight (torch's meta device)."""

from typing import Any, NamedTuple

import torch
from torch import nn

from pipeline.pretrained import quiet_transformers

BLIP_SIDE_PX = 384
LLAMA_VOCABULARY = 32_000


class LlamaShape(NamedTuple):
    """A LLaMA of the first generation (arXiv 2302.13971, Table 2; feed-forward widths from the released weights)."""

    layers: int
    width: int
    heads: int
    feed_forward: int

    @property
    def parameters(self) -> int:
        """Weights with embedding and head: four projections, three of the feed-forward and two norms a layer."""
        block = 4 * self.width**2 + 3 * self.width * self.feed_forward + 2 * self.width
        return self.layers * block + self.width + 2 * LLAMA_VOCABULARY * self.width


LLAMA = {
    "7B": LlamaShape(32, 4096, 32, 11_008),
    "13B": LlamaShape(40, 5120, 40, 13_824),
    "33B": LlamaShape(60, 6656, 52, 17_920),
}


def blip_config() -> Any:
    """BLIP base for captions: ViT-B/16 at 384 px and a BERT-base decoder, transformers' defaults but for the side."""
    quiet_transformers()
    from transformers import BlipConfig

    return BlipConfig(vision_config={"image_size": BLIP_SIDE_PX})


def blip() -> nn.Module:
    """``BlipForConditionalGeneration`` of :func:`blip_config`."""
    config = blip_config()
    from transformers import BlipForConditionalGeneration

    with torch.device("meta"):
        return _frozen(BlipForConditionalGeneration(config))


def clip_config() -> dict[str, Any]:
    """ViT-B-32-quickgelu as open_clip defines it: the architecture of OpenAI's ViT-B/32."""
    quiet_transformers()
    import open_clip

    return dict(open_clip.get_model_config("ViT-B-32-quickgelu"))


def clip() -> Any:
    """open_clip's CLIP of :func:`clip_config`."""
    config = clip_config()
    import open_clip

    with torch.device("meta"):
        return _frozen(open_clip.CLIP(**config))


def llama_config(shape: LlamaShape, **more: Any) -> Any:
    """The config of a LLaMA of the first generation."""
    quiet_transformers()
    from transformers import LlamaConfig

    return LlamaConfig(
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        **{"vocab_size": LLAMA_VOCABULARY, "max_position_embeddings": 2048, **more},
    )


def llama(shape: LlamaShape) -> nn.Module:
    """A LLaMA without its language-model head, as ``embed`` runs it."""
    config = llama_config(shape)
    from transformers import LlamaModel

    with torch.device("meta"):
        return _frozen(LlamaModel(config))


def unet() -> Any:
    """The U-Net of Stable Diffusion 1.5: diffusers' defaults but for text states of width 768; 859.5 M parameters."""
    quiet_transformers()
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return _frozen(UNet2DConditionModel(sample_size=64, cross_attention_dim=768))


def vae() -> Any:
    """The VAE of Stable Diffusion 1.5: four levels, two blocks each, latents of 4 x 64 x 64 for 512 px."""
    quiet_transformers()
    from diffusers import AutoencoderKL

    levels = (128, 256, 512, 512)
    with torch.device("meta"):
        return _frozen(
            AutoencoderKL(
                block_out_channels=levels,
                down_block_types=("DownEncoderBlock2D",) * len(levels),
                up_block_types=("UpDecoderBlock2D",) * len(levels),
                layers_per_block=2,
                latent_channels=4,
                sample_size=512,
            )
        )


def text_encoder() -> nn.Module:
    """The text tower of CLIP ViT-L/14 in Stable Diffusion 1.5: 12 layers, width 768, 77 tokens."""
    quiet_transformers()
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    with torch.device("meta"):
        return _frozen(CLIPTextModel(config))


def _frozen(model: Any) -> Any:
    return model.requires_grad_(False).eval()

"""Which models are written: those of the paper's profile with LLaMA-7B, and the same architectures with tiny widths."""

from dataclasses import dataclass
from typing import Any

from bench import real_shapes
from bench.random_diffusion import SHAPES, Shape
from bench.scale.architectures import LLAMA, LlamaShape, llama_config
from pipeline.files import digest


@dataclass(frozen=True)
class Shapes:
    """Configurations of the four models, and what they ask of a machine."""

    blip: Any
    clip: dict[str, Any]
    llama: LlamaShape
    vocabulary: int
    """Words of the LLM."""
    diffusion: Shape
    disk_gb: float
    """All weights, with what the run leaves: outputs, DVC's cache, work store."""
    memory_gb: float
    """What the largest stage may need: the LLM's weights once, in 16 bits, and the process around them."""

    def named(self) -> dict[str, str]:
        """A digest of each model's shape, by the name of its folder."""
        return {
            "blip": digest(self.blip.to_dict()),
            "clip": digest(self.clip),
            "llama": digest([*self.llama, self.vocabulary]),
            "diffusion": digest(repr(self.diffusion)),
        }

    def llama_config(self) -> Any:
        """The LLM's configuration for transformers."""
        return llama_config(self.llama, vocab_size=self.vocabulary)


def real() -> Shapes:
    """BLIP base, CLIP ViT-B/32, LLaMA-7B and Stable Diffusion 1.5: 13.5 + 2.1 + 0.9 + 0.6 GB of weights."""
    models = real_shapes.real()
    return Shapes(models.blip, models.clip, LLAMA["7B"], 32_000, SHAPES["sd15"], disk_gb=18.5, memory_gb=14.0)


def tiny() -> Shapes:
    """The same architectures, as deep where a setting counts layers, so narrow that all are made in seconds."""
    models = real_shapes.tiny()
    diffusion = Shape(
        64,
        {
            "cross_attention_dim": 16,
            "attention_head_dim": 8,
            "block_out_channels": (8, 8, 16, 16),
            "norm_num_groups": 4,
        },
        {"hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2},
        vae={"block_out_channels": (4, 4, 8, 8), "norm_num_groups": 4},
    )
    llama = LlamaShape(LLAMA["7B"].layers, 16, 2, 24)
    return Shapes(models.blip, models.clip, llama, 256, diffusion, disk_gb=0.5, memory_gb=1.0)

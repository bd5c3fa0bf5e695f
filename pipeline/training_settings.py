"""Section ``train`` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.params import Section
from pipeline.unet_parts import Parts

Metric = Literal["val/denoising", "val/clip_score"]
Optimiser = Literal["adamw", "adamw8bit"]


class TrainParams(Section):
    """Section ``train`` of params.yaml."""

    steps: int = Field(ge=1)
    """Optimiser steps; the paper takes 5000."""
    batch_size: int = Field(ge=1)
    """Samples a step over all processes; the paper takes 16. ``compute.micro_batch`` of them run at a time."""
    optimiser: Optimiser
    """``adamw``, or ``adamw8bit``, its moments in 8 bits (arXiv 2110.02861): on a GPU, with the extra ``quantised``."""
    learning_rate: float = Field(gt=0.0)
    """Of AdamW after the warm-up; the paper takes 1e-5."""
    unet: Parts
    """Which of the U-Net's weights are trained too: ``frozen`` none (the paper), ``cross_attention`` those that attend
    to the text, ``full`` all; they are float32, the frozen ones keep the precision's format (ADR 0024)."""
    unet_learning_rate: Annotated[float, Field(gt=0.0)] | None
    """Of the U-Net's trained weights; null takes ``learning_rate``. Not read with ``unet: frozen``."""
    schedule: Literal["constant", "cosine", "linear"]
    """What the learning rate does after the warm-up: stay, or fall to 0 at the last step's end."""
    weight_decay: float = Field(ge=0.0)
    """Of AdamW; its usual value is 0.01."""
    warmup_steps: int = Field(ge=0)
    """Steps over which the learning rate grows from 0 to its value."""
    clip_norm: float = Field(gt=0.0)
    """Greatest norm of all gradients together; greater ones are scaled down."""
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None
    """Null, or the decay of a moving average of the trained weights: these are then validated, drawn and saved."""
    snr_gamma: Annotated[float, Field(gt=0.0)] | None
    """Null, or the cap of min-SNR weighting of the denoising loss (arXiv 2303.09556, which takes 5)."""
    noise_offset: float = Field(ge=0.0)
    """Deviation of noise that a channel has in common, added to eps: brightness is learned; usual 0.05, 0 is off."""
    caption_dropout: float = Field(ge=0.0, lt=1.0)
    """Share of samples that are trained with the empty text, for guidance; with kind ``sur`` and a frozen U-Net it asks
    for ``sample.adapt_negative: true``: else that text would go past all that is trained."""
    horizontal_flip: bool
    """Mirror half of the pictures, as the paper does. Off where left and right are said in prompts."""
    precision: Literal["fp32", "bf16", "fp16"]
    """Number format of the frozen models and of the adapter's multiplications; fp16 needs a GPU."""
    cache_latents: bool
    """Read what stage ``latents`` encoded; off encodes each picture again in each step (bench/training.py: slower)."""
    validate_every: int = Field(ge=1)
    """Steps between validations; there is one at the end too."""
    validation_samples: int = Field(ge=0)
    """The first so many samples of split val; 0 validates nothing."""
    checkpoint_every: int = Field(ge=1)
    """Steps that a kill can cost at most."""
    sample_prompts: int = Field(ge=0)
    """Prompts of split val that are drawn at the end, base beside adapted; 0 draws nothing."""
    sample_every: Annotated[int, Field(ge=1)] | None
    """Null, or steps between grids of these prompts with their CLIP score (model of section ``clip``), in the log."""
    keep: Literal["last", "best"]
    """Which step's weights become the adapter: the last one's, or those that did best in ``metric``."""
    metric: Metric
    """What ``keep: best`` goes by: the lowest validation loss, or the highest CLIP score of the grids."""
    seed: int = Field(ge=0)
    """Of order, timesteps, noise and mirroring."""

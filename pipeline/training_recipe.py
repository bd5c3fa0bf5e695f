"""What decides a training: its settings, the processes it runs in, and the name of a run."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from pipeline import files
from pipeline.adapters.sur import AdapterParams
from pipeline.errors import SettingError
from pipeline.losses import LossParams
from pipeline.params import Section

MIXED: dict[str, str] = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CODE = ("training*.py", "losses.py", "diffusion.py", "vae.py", "latents.py", "seeds.py", "adapters/sur.py")


class TrainParams(Section):
    """Section ``train`` of params.yaml."""

    steps: int = Field(ge=1)
    """Optimiser steps; the paper takes 5000."""
    batch_size: int = Field(ge=1)
    """Samples a step over all processes; the paper takes 16. ``compute.micro_batch`` of them run at a time."""
    learning_rate: float = Field(gt=0.0)
    """Of AdamW, constant after the warm-up; the paper takes 1e-5."""
    weight_decay: float = Field(ge=0.0)
    """Of AdamW; its usual value is 0.01."""
    warmup_steps: int = Field(ge=0)
    """Steps over which the learning rate grows from 0 to its value."""
    clip_norm: float = Field(gt=0.0)
    """Greatest norm of all gradients together; greater ones are scaled down."""
    horizontal_flip: bool
    """Mirror half of the pictures, as the paper does. Off where left and right are said in prompts."""
    precision: Literal["fp32", "bf16", "fp16"]
    """Number format of the frozen models and of the adapter's multiplications; fp16 needs a GPU."""
    validate_every: int = Field(ge=1)
    """Steps between validations; there is one at the end too."""
    validation_samples: int = Field(ge=0)
    """The first so many samples of split val; 0 validates nothing."""
    checkpoint_every: int = Field(ge=1)
    """Steps that a kill can cost at most."""
    sample_prompts: int = Field(ge=0)
    """Prompts of split val that are drawn at the end, base beside adapted; 0 draws nothing."""
    seed: int = Field(ge=0)
    """Of order, timesteps, noise and mirroring."""


@dataclass(frozen=True)
class Recipe:
    """The sections that decide a training."""

    adapter: AdapterParams
    loss: LossParams
    train: TrainParams

    def as_json(self) -> dict[str, Any]:
        """All settings as JSON-like values."""
        return {name: getattr(self, name).model_dump() for name in ("adapter", "loss", "train")}

    def __post_init__(self) -> None:
        """Refuse contradictions between sections."""
        if self.adapter.compat == "official":
            raise SettingError(
                "adapter.compat: official is for inference: the authors' weights are not trained further"
            )
        if self.adapter.h3 == "linear" and self.loss.student == "h3":
            raise SettingError(
                "loss.student: h3 distils the Transformer, which adapter.h3: linear leaves out: take query"
            )


def accelerator(precision: str, device: str) -> Any:
    """An Accelerator that sees as many processes as the launcher started.

    Raises:
        SettingError: it sees another number, or the precision does not run on this device.
    """
    from accelerate import Accelerator

    try:
        made = Accelerator(mixed_precision=MIXED[precision], cpu=device == "cpu")
    except ValueError as error:
        raise SettingError(f"train.precision {precision} does not run here: {error}") from error
    asked = int(os.environ.get("WORLD_SIZE", "1"))
    if made.num_processes != asked:
        raise SettingError(
            f"the launcher started {asked} processes but Accelerate sees {made.num_processes}: "
            "on CPU set ACCELERATE_USE_CPU=true and start with torchrun"
        )
    return made


def fingerprint(settings: Any, inputs: Sequence[Path]) -> str:
    """The name of a run: everything that decides its weights, the trainer's own code included.

    Args:
        settings: JSON-like: sections, base model, layer.
        inputs: files that are read.
    """
    here = Path(__file__).parent
    code = sorted(path for pattern in CODE for path in here.glob(pattern))
    return files.digest(
        {
            "settings": settings,
            "inputs": [(path.name, files.file_digest(path)) for path in sorted(inputs)],
            "code": [(path.name, files.file_digest(path)) for path in code],
        }
    )


def learning_rate(config: TrainParams, step: int) -> float:
    """Of a step counted from 0: linear warm-up, then constant."""
    return config.learning_rate * min(1.0, (step + 1) / max(1, config.warmup_steps))

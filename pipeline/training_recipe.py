"""What decides a training: its settings, the processes it runs in, and the name of a run."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline import files
from pipeline.adapters.settings import AdapterParams
from pipeline.errors import SettingError
from pipeline.losses import LossParams
from pipeline.training_settings import TrainParams

MIXED: dict[str, str] = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CODE = (
    "training*.py",
    *("losses.py", "diffusion.py", "base_models.py", "text_encoding.py", "vae.py", "latents.py", "seeds.py"),
    *("adapters/sur.py", "adapters/llm4gen.py", "adapters/settings.py", "adapters/kinds.py"),
    *("adapters/llmdiff.py", "adapters/score_sum.py", "adapters/two_branch.py", "adapters/packing.py"),
    *("unet_parts.py", "padded_states.py", "block_states.py", "state_files.py"),
    # what llmdiff's states are made with: its runs know them by their facts, not by their content
    *("token_states.py", "state_packing.py", "layer_encoder.py", "decoder.py", "llm_loading.py", "prompt_tokens.py"),
    *("entity_pairs.py", "entity_term.py", "describing.py"),
    "images.py",  # latents of train.cache_latents: false
    *(
        "sampling.py",
        "encoding.py",
        "branched_encoding.py",
        "clip_score.py",
        "clip_text*.py",
        "clip_rule.py",
    ),  # what train.keep: best may go by
)


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
        self._require_something_to_train()
        if self.adapter.h3 == "linear" and self.loss.student == "h3":
            raise SettingError(
                "loss.student: h3 distils the Transformer, which adapter.h3: linear leaves out: take query"
            )
        if self.train.keep == "best" and self.train.validation_samples == 0:
            raise SettingError("train.keep: best chooses on split val: train.validation_samples must be above 0")
        if self.train.sample_every is not None and not self.train.sample_prompts * self.train.validation_samples:
            raise SettingError(
                "train.sample_every draws prompts of split val: "
                "train.sample_prompts and train.validation_samples must be above 0"
            )
        if self.train.metric == "val/clip_score" and self.train.keep == "best" and self.train.sample_every is None:
            raise SettingError("train.metric: val/clip_score is measured on grids: train.sample_every must be set")

    def _require_something_to_train(self) -> None:
        if self.adapter.kind == "none" and self.train.unet == "frozen":
            raise SettingError(
                "adapter.kind: none trains parts of the U-Net and nothing else: "
                "with train.unet: frozen nothing would train, take cross_attention or full"
            )
        if self.adapter.eta == 0.0:
            raise SettingError(
                "adapter.eta: 0 is the untouched base model, which nothing trained reaches: take more than 0"
            )


def accelerator(precision: str, device: str) -> Any:
    """An Accelerator that sees as many processes as the launcher started.

    Raises:
        SettingError: it sees another number, or the precision does not run on this device.
    """
    from accelerate import Accelerator

    torch.backends.cudnn.allow_tf32 = precision != "fp32"  # fp32 means it: torch lets convolutions take 10-bit TF32
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
    """Of a step counted from 0: linear warm-up, then ``schedule``; a pure function, so that a resumed run has the same.

    The fall to 0 ends after the last step, as in diffusers' schedules, so that no step is without effect.
    """
    warm = config.learning_rate * min(1.0, (step + 1) / max(1, config.warmup_steps))
    if config.schedule == "constant" or step < config.warmup_steps:
        return warm
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)  # 0 to below 1
    return warm * (1.0 - done if config.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done)))

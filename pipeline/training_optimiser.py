"""The optimiser that ``train.optimiser`` names, its gradients' norms, and the clock of a training."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from pipeline.errors import SettingError
from pipeline.training_settings import TrainParams


def optimiser(parameters: Iterable[torch.nn.Parameter], config: TrainParams, device: str) -> torch.optim.Optimizer:
    """AdamW, or AdamW with its moments in 8 bits.

    Args:
        parameters: those that are trained.
        config: optimiser, learning rate and weight decay.
        device: where the parameters will be.

    Raises:
        SettingError: 8 bits are asked for without a GPU or without the extra ``quantised``.
    """
    if config.optimiser == "adamw":
        return torch.optim.AdamW(parameters, config.learning_rate, weight_decay=config.weight_decay)
    if not device.startswith("cuda"):
        raise SettingError(f"train.optimiser: adamw8bit needs a CUDA GPU, this training runs on {device}: take adamw")
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise SettingError(
            "train.optimiser: adamw8bit needs the extra quantised: pip install '.[quantised]', or take adamw"
        ) from error
    made: torch.optim.Optimizer = AdamW8bit(parameters, config.learning_rate, weight_decay=config.weight_decay)
    return made


def part_norms(module: torch.nn.Module) -> dict[str, float]:
    """Euclidean norm of the gradients of each direct part of a module that is trained, by the part's name."""
    parts = {
        name: [parameter.grad for parameter in part.parameters() if parameter.grad is not None]
        for name, part in module.named_children()
    }
    norms = {name: torch.nn.utils.get_total_norm(grads) for name, grads in parts.items() if grads}
    values = torch.stack(list(norms.values())).tolist()  # one wait for the device, not one a part
    return dict(zip(norms, values, strict=True))


class Pace:
    """How fast a training is, by the clock: for people's eyes, never for a file that shall have the same bytes."""

    def __init__(self) -> None:
        self.pictures, self.seconds, self.loading_seconds = 0, 0.0, 0.0

    @contextmanager
    def step(self, pictures: int) -> Iterator[None]:
        """A step on so many pictures."""
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started
        self.pictures += pictures

    @contextmanager
    def loading(self) -> Iterator[None]:
        """The part of a step that gets its batch."""
        started = time.perf_counter()
        yield
        self.loading_seconds += time.perf_counter() - started

    def __str__(self) -> str:
        if not self.seconds:
            return "nothing was left to train"
        share = 100 * self.loading_seconds / self.seconds
        return f"{self.pictures / self.seconds:,.1f} images/s, loading {share:.1f} %"

"""The optimiser that ``train.optimiser`` names, its gradients' norms, and the clock of a training."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from pipeline.errors import SettingError
from pipeline.training_settings import TrainParams

RELATIVE = "relative_rate"
Group = dict[str, Any]


def groups(
    adapter: Iterable[torch.nn.Parameter], unet: Iterable[torch.nn.Parameter], config: TrainParams
) -> list[Group]:
    """The optimiser's groups: the adapter, and the U-Net's parts with a learning rate relative to the adapter's.

    Args:
        adapter: trained parameters of the network, may be none.
        unet: trained parameters of the U-Net, may be none.
        config: both learning rates.
    """
    own = config.learning_rate if config.unet_learning_rate is None else config.unet_learning_rate
    found: list[Group] = [
        {"params": list(adapter), RELATIVE: 1.0},
        {"params": list(unet), RELATIVE: own / config.learning_rate},
    ]
    return [group for group in found if group["params"]]


def set_rate(optimizer: Any, rate: float) -> None:
    """Give each group its learning rate of a step.

    Args:
        optimizer: of :func:`optimiser`, maybe wrapped by Accelerate.
        rate: of the adapter.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * group[RELATIVE]


def optimiser(parameters: Sequence[Group], config: TrainParams, device: str) -> torch.optim.Optimizer:
    """AdamW, or AdamW with its moments in 8 bits.

    Args:
        parameters: those that are trained, see :func:`groups`.
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


def part_norms(parts: Mapping[str, Sequence[torch.nn.Parameter]]) -> dict[str, float]:
    """Euclidean norm of the gradients of each part that has any, by the part's name."""
    gradients = {
        name: [parameter.grad for parameter in part if parameter.grad is not None] for name, part in parts.items()
    }
    norms = {name: torch.nn.utils.get_total_norm(grads) for name, grads in gradients.items() if grads}
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

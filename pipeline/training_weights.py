"""Which weights a training leaves: the trained ones or their moving average, of the last step or of the best one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from pipeline.training_settings import Metric, TrainParams

Figures = dict[str, float]


class Weights:
    """The trained parameters, with their moving average and the best so far where these are asked for.

    Both are part of every checkpoint. The average is diffusers' ``EMAModel``: its decay grows up to ``train.ema_decay``
    as (1 + step) / (10 + step), so that the start is soon forgotten.

    Args:
        parameters: those that are trained, on their device.
        config: section ``train``.
        accelerator: saves and restores what is registered here.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], config: TrainParams, accelerator: Any) -> None:
        self.parameters, self.last = list(parameters), config.steps
        self.average = None if config.ema_decay is None else _moving_average(self.parameters, config.ema_decay)
        self.best = Best(config.metric) if config.keep == "best" else None
        kept = [each for each in (self.average, self.best) if each is not None]
        if kept:
            accelerator.register_for_checkpointing(*kept)

    def step(self) -> None:
        """After an optimiser step: move the average."""
        if self.average is not None:
            self.average.to(self.parameters[0].device)  # a checkpoint is read to the CPU
            self.average.step(self.parameters)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Within the block the parameters are those that would be left if this were the last step."""
        if self.average is None:
            yield
            return
        self.average.store(self.parameters)
        self.average.copy_to(self.parameters)
        try:
            yield
        finally:
            self.average.restore(self.parameters)

    def measured(self, step: int, figures: Figures) -> None:
        """Within :meth:`used`: remember the parameters if they are the best so far."""
        if self.best is not None:
            self.best.offer(step, figures, self.parameters)

    def settle(self) -> int:
        """Give the parameters the values that the training leaves; the step that they are from, counted from 1."""
        if self.best is not None:
            return self.best.copy_to(self.parameters)
        if self.average is not None:
            self.average.copy_to(self.parameters)
        return self.last


class Best:
    """The parameters of the step that did best in a metric; of equal ones the earliest.

    Args:
        metric: ``val/denoising``, lower is better, or ``val/clip_score``, higher is better.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.step, self.value = 0, 0.0
        self.weights: list[torch.Tensor] = []

    def offer(self, step: int, figures: Figures, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Take the parameters of a step if its figures hold the metric and it is better."""
        value = figures.get(self.metric)
        if value is not None and (not self.weights or self._better(value)):
            self.step, self.value = step, value
            self.weights = [parameter.detach().cpu().clone() for parameter in parameters]

    def _better(self, value: float) -> bool:
        return value < self.value if self.metric == "val/denoising" else value > self.value

    def copy_to(self, parameters: Sequence[torch.nn.Parameter]) -> int:
        """Give these parameters the best values, and say their step.

        Raises:
            ValueError: nothing was measured.
        """
        if not self.weights:
            raise ValueError(f"{self.metric} was never measured")
        with torch.no_grad():
            for parameter, value in zip(parameters, self.weights, strict=True):
                parameter.copy_(value)
        return self.step

    def state_dict(self) -> dict[str, Any]:
        """For Accelerate's checkpoints."""
        return {"step": self.step, "value": self.value, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From Accelerate's checkpoints."""
        self.step, self.value, self.weights = state["step"], state["value"], state["weights"]


def _moving_average(parameters: Sequence[torch.nn.Parameter], decay: float) -> Any:
    from diffusers.training_utils import EMAModel

    return EMAModel(parameters, decay=decay)

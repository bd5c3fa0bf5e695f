"""Parts of the U-Net that are trained too: which they are, and a U-Net that has other values of them for a while."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

Parts = Literal["frozen", "cross_attention", "full"]
Values = Mapping[str, torch.Tensor]
"""Weights by their names in the U-Net."""

CROSS_ATTENTION = ".attn2."  # diffusers' name of the attention to the text in each of its blocks


def names(unet: Any, parts: Parts) -> list[str]:
    """The U-Net's parameters that belong to some parts, in its order."""
    every = [name for name, _ in unet.named_parameters()]
    match parts:
        case "frozen":
            return []
        case "cross_attention":
            return [name for name in every if CROSS_ATTENTION in f".{name}"]
        case "full":
            return every


def copied(unet: Any, chosen: list[str]) -> dict[str, torch.Tensor]:
    """Values of some parameters as they are now, on the CPU in their own number format."""
    return {name: unet.get_parameter(name).detach().to("cpu", copy=True) for name in chosen}


def unfrozen(unet: Any, chosen: list[str]) -> dict[str, nn.Parameter]:
    """Make some parameters trainable: they become float32 where they lie (master weights), all others stay."""
    for name in chosen:
        parameter = unet.get_parameter(name)
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return {name: unet.get_parameter(name) for name in chosen}


@contextmanager
def swapped(unet: Any, values: Values) -> Iterator[None]:
    """Within the block the U-Net has these values, in its own number format; afterwards its own, bit for bit."""
    kept = {name: unet.get_parameter(name).data for name in values}
    try:
        for name, value in values.items():
            unet.get_parameter(name).data = _like(kept[name], value)
        yield
    finally:
        for name, value in kept.items():
            unet.get_parameter(name).data = value


def blended(unet: Any, trained: Values, *, eta: float, trained_eta: float) -> dict[str, torch.Tensor]:
    """What ``eta`` makes of trained parts: base + min(1, eta / trained eta) (trained - base) (ADR 0024).

    Args:
        unet: the base model's.
        trained: float32 values.
        eta: the dial, 0 to 1.
        trained_eta: the value that the parts were trained with, above 0.

    Returns:
        Values in the U-Net's number format and place; none at 0, where the U-Net stays the base model's bit for bit.
    """
    if eta == 0.0:
        return {}
    share = min(1.0, eta / trained_eta)
    mixed = {}
    for name, value in trained.items():
        base = unet.get_parameter(name).data
        ours = value.to(base.device, torch.float32)
        mixed[name] = _like(base, ours if share == 1.0 else torch.lerp(base.float(), ours, share))
    return mixed


def _like(model: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """A value in another tensor's number format, place and memory layout."""
    if (value.dtype, value.device, value.stride()) == (model.dtype, model.device, model.stride()):
        return value.detach()
    return torch.empty_like(model).copy_(value)

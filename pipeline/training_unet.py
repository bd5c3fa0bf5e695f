"""How the frozen U-Net runs in training: what it remembers for the backward pass, its memory layout, compiled or not.

Nothing here changes what is computed, but for rounding. Scaled dot-product attention needs no setting: it is what
diffusers' U-Nets take by themselves.
"""

import dataclasses
from typing import Any

import torch

from pipeline.diffusion import Diffusion
from pipeline.engine import ComputeParams
from pipeline.errors import SettingError


def prepared(diffusion: Diffusion, config: ComputeParams) -> Diffusion:
    """The base model with its U-Net as section ``compute`` asks for.

    Raises:
        SettingError: ``compute.compile`` where torch cannot compile.
    """
    unet = diffusion.unet
    if config.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    if config.channels_last:
        unet = unet.to(memory_format=torch.channels_last)
    if config.compile:
        _require_compiler(diffusion.device)
        heed_hooks()
        unet.compile()
    return dataclasses.replace(diffusion, unet=unet)


def heed_hooks() -> None:
    """Let a compiled U-Net notice hooks that come after its first call, as those of the entity term do."""
    import torch._dynamo.config as compiler

    compiler.skip_nnmodule_hook_guards = False  # torch's default takes such hooks for none, without a word


def _require_compiler(device: str) -> None:
    """Compile a sum: what is missing (a C++ compiler, Triton) shows before the first step."""

    def one_more(value: Any) -> Any:
        return value + 1

    try:
        torch.compile(one_more)(torch.zeros(2, device=device))
    except Exception as error:  # torch's back ends raise errors of many kinds
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise SettingError(f"compute.compile: torch cannot compile here: {reason}: take false") from error

"""Where a model stage runs: section compute of params.yaml, the torch device, and the engine."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.operating import LARGEST_BATCH, Batches, BatchSize, Operator, Runner, local
from pipeline.params import Section

Rows = Annotated[int, Field(ge=1)] | Literal["auto"]


class ComputeParams(Section):
    """Section ``compute`` of params.yaml: never changes results, so no stage lists it."""

    engine: Literal["local"]
    device: str = Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    threads: int = Field(ge=1)
    download_workers: int = Field(ge=1, le=64)
    """Connections to one picture host at a time; each host has its own."""
    caption_batch: Rows
    """Pictures a call of BLIP; ``auto`` halves from 512 until they fit the GPU's memory."""
    clip_batch: Rows
    """Pictures, each with its prompts, a call of CLIP; ``auto`` as above."""
    llm_batch: int = Field(ge=1)
    vae_batch: int = Field(ge=1)
    sample_batch: int = Field(ge=1)
    micro_batch: int = Field(ge=1)
    """Training samples that one process runs at a time; the rest of a global batch follows, the last time fewer."""
    gradient_checkpointing: bool
    """Training computes the U-Net's activations again in the backward pass: less memory, about 1.35 times the work."""
    channels_last: bool
    """Training keeps the U-Net's weights with channels last: faster convolutions on some GPUs."""
    compile: bool
    """Training compiles the U-Net with ``torch.compile``: minutes at the start, faster steps; needs a C++ compiler."""


def device(config: ComputeParams) -> str:
    """The torch device to use, after setting torch's thread count; ``auto`` takes a GPU where there is one."""
    import torch

    torch.set_num_threads(config.threads)
    if config.device != "auto":
        return config.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def runner(config: ComputeParams) -> Runner:
    """What runs a stage's work: this process, or a pool of workers elsewhere."""
    match config.engine:
        case "local":
            return local


def unit(batch: Rows) -> int:
    """Rows that are computed and kept together, for a batch size that may be searched for."""
    return batch if isinstance(batch, int) else LARGEST_BATCH


def batches(operator: Operator, batch: Rows, where: str, setting: str) -> Batches:
    """The operator, always called with full batches; ``setting`` is the batch size's key in section compute."""
    return Batches(operator, BatchSize(batch, where, f"compute.{setting}"))

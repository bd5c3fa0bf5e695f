"""Where a model stage runs: section compute of params.yaml, the torch device, and the engine."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline import ray_engine
from pipeline.errors import SettingError
from pipeline.operating import LARGEST_BATCH, Batches, BatchSize, Operator, Runner, local
from pipeline.params import Section
from pipeline.ray_pool import RayParams

Rows = Annotated[int, Field(ge=1)] | Literal["auto"]


class ComputeParams(Section):
    """Section ``compute`` of params.yaml: never changes results, so no stage lists it."""

    engine: Literal["local", "ray"]
    """Where caption, clip_filter, embed, latents and sample run their models: in this process, or in a pool of Ray's
    actors on this machine or on a cluster (docs/cluster.md). Scraping and downloading stay here, so that a site's rate
    limit holds."""
    ray: RayParams
    device: str = Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    threads: int = Field(ge=1)
    """Threads of torch in this process, and in each worker."""
    download_workers: int = Field(ge=1, le=64)
    """Connections to one picture host at a time; each host has its own."""
    caption_batch: Rows
    """Pictures a call of BLIP; ``auto`` halves from 512 until they fit the GPU's memory."""
    clip_batch: Rows
    """Pictures, each with its prompts, a call of CLIP; ``auto`` as above."""
    llm_batch: Rows
    """Prompts a pass of the LLM; ``auto`` as above."""
    llm_device_map: Literal["auto"] | None
    """``auto`` spreads an LLM that is too large for one GPU over all of them and, if need be, the CPU's memory."""
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
    """What runs a stage's work: this process, or a pool of workers elsewhere.

    Raises:
        SettingError: the engine cannot run with these settings on this machine.
    """
    match config.engine:
        case "local":
            return local
        case "ray":
            _refuse_device(config)
            return ray_engine.runner(config.ray)


def _refuse_device(config: ComputeParams) -> None:
    """An actor with a GPU of its own sees no other and calls it number 0; Ray knows nothing of a Mac's."""
    if config.ray.gpus_per_actor and config.device not in ("auto", "cuda"):
        raise SettingError(
            f"compute.device is {config.device}, but compute.ray.gpus_per_actor is {config.ray.gpus_per_actor:g}:"
            " Ray chooses an actor's GPU, so say auto or cuda"
        )


def unit(batch: Rows) -> int:
    """Rows that are computed and kept together, for a batch size that may be searched for."""
    return batch if isinstance(batch, int) else LARGEST_BATCH


def batches(operator: Operator, batch: Rows, where: str, setting: str) -> Batches:
    """The operator, always called with full batches; ``setting`` is the batch size's key in section compute."""
    return Batches(operator, BatchSize(batch, where, f"compute.{setting}"))

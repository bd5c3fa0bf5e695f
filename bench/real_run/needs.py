"""What a run needs of a machine, told beforehand, and refused in one line where it is not there."""

import shutil
from pathlib import Path

import psutil

from bench.real_run.shapes import Shapes
from pipeline.errors import StorageError

GB = 1e9


def tell(shapes: Shapes, folder: Path, *, gpu_gb: float | None, weights_missing: bool) -> str:
    """One line for people.

    Args:
        shapes: what is run.
        folder: where weights and working copy go; need not exist.
        gpu_gb: free memory of the GPU that the stages would take; None where there is none.
        weights_missing: whether the weights are still to be written.

    Raises:
        StorageError: too little disk or memory; what is there and what is needed.
    """
    disk, memory = _free(folder) / GB, psutil.virtual_memory().available / GB
    if weights_missing and disk < shapes.disk_gb:
        raise StorageError(
            f"{folder} has {disk:.1f} GB free, {shapes.disk_gb:.1f} GB are needed: make real-shapes FOLDER=..."
        )
    if gpu_gb is None and memory < shapes.memory_gb:
        raise StorageError(f"{memory:.1f} GB of memory are free, {shapes.memory_gb:.1f} GB are needed without a GPU")
    if gpu_gb is not None and gpu_gb < shapes.memory_gb:
        raise StorageError(
            f"the GPU has {gpu_gb:.1f} GB free, {shapes.memory_gb:.1f} GB are needed: CUDA_VISIBLE_DEVICES= make "
            "real-shapes runs on the CPU"
        )
    where = "this CPU" if gpu_gb is None else f"a GPU with {gpu_gb:.0f} GB free"
    return (
        f"real-shapes: on {where}; up to {shapes.disk_gb:.1f} GB of disk ({disk:.0f} GB free) and "
        f"{shapes.memory_gb:.1f} GB of memory ({memory:.0f} GB free), in {folder}"
    )


def free_gpu_gb() -> float | None:
    """Free memory of the first GPU that is visible; None where there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    free, _ = torch.cuda.mem_get_info()
    return float(free) / GB


def _free(folder: Path) -> int:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free

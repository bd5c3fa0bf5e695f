"""Figures of the benchmarks, kept in ``bench/results/<name>.json`` with the machine that they were measured on."""

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.files import write_json

FOLDER = Path(__file__).parent / "results"


def save(name: str, figures: Mapping[str, float]) -> Path:
    """Write a benchmark's figures and what they were measured on.

    Args:
        name: of the benchmark, which is its module's.
        figures: by name; a unit stands at the name's end (``_s``, ``_mb``, ``_a_s``), a ratio has none.
    """
    path = FOLDER / f"{name}.json"
    write_json(path, {"figures": dict(figures), "machine": machine()})
    return path


def machine() -> dict[str, Any]:
    """What decides a rate: processor, cores, threads, torch, and the GPU where there is one; no name of a host."""
    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": _threads(),
        "torch": version("torch"),
    }
    torch = sys.modules.get("torch")  # whoever used a GPU has imported it
    if torch is not None and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def _threads() -> int:
    """Of torch, where it was imported; else what it would take from the environment."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)

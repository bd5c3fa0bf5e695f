"""Where benchmarks keep what they found: ``bench/results/<name>.json``, with the machine that it was found on."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import torch

from pipeline.files import write_json

FOLDER = Path(__file__).parent / "results"


def save(name: str, figures: Mapping[str, float]) -> Path:
    """Write a benchmark's figures with facts of the machine: sorted keys, no host name; gives the file."""
    path = FOLDER / f"{name}.json"
    write_json(path, {"figures": dict(figures), "machine": machine()})
    return path


def machine() -> dict[str, str | int]:
    """What figures depend on beside the code."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()

"""Keeps a benchmark's figures and the machine's facts in ``bench/results/<name>.json``, for documents to cite."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipeline.files import write_json

RESULTS = Path(__file__).parent / "results"


def save(name: str, figures: Mapping[str, float]) -> Path:
    """Write the figures of one run; a later run replaces them."""
    path = RESULTS / f"{name}.json"
    write_json(path, {"figures": dict(figures), "machine": machine()})
    return path


def machine() -> dict[str, Any]:
    """What a figure depends on beside the code."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()

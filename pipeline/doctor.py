"""What is missing on this machine: ``sur doctor``."""

import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SurError

WANTED_DISK_GB = 5.0
LIBRARIES = ("torch", "torchvision", "diffusers", "transformers", "open_clip", "accelerate", "pyarrow", "dvc")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, whether it is good, and what to do when it is not."""

    what: str
    good: bool
    text: str


def examine(check_settings: Callable[[], object]) -> Iterator[Finding]:
    """Look at Python, libraries, accelerator, disk, git and the settings, each told apart from the others."""
    yield Finding("python", sys.version_info >= (3, 11), f"{sys.version.split()[0]}, 3.11 or newer is needed")
    yield from (_library(name) for name in LIBRARIES)
    yield _accelerator()
    yield _disk(Path())
    yield _git()
    yield _settings(check_settings)


def _library(name: str) -> Finding:
    from pipeline.vision_shim import ensure_torchvision

    package = {"open_clip": "open_clip_torch"}.get(name, name)
    try:
        ensure_torchvision()
        importlib.import_module(name)
        return Finding(name, True, importlib.metadata.version(package))
    except Exception as error:  # a damaged library, or one for another torch, fails with whatever it meets
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        return Finding(name, False, f"cannot be imported ({reason}): make setup installs it")


def _accelerator() -> Finding:
    try:
        import torch
    except Exception:  # as above
        return Finding("accelerator", False, "not known without torch")
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        return Finding("accelerator", True, f"{card.name}, {card.total_memory / 2**30:.0f} GiB")
    return Finding("accelerator", True, f"none: CPU with {os.cpu_count()} cores, enough for the miniature")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / 1e9
    return Finding("disk", free >= WANTED_DISK_GB, f"{free:.0f} GB free, {WANTED_DISK_GB:.0f} GB are needed")


def _git() -> Finding:
    if shutil.which("git") is None:
        return Finding("git", False, "not installed: DVC and its experiments need it, https://git-scm.com")
    asked = subprocess.run(["git", "var", "GIT_COMMITTER_IDENT"], capture_output=True, text=True, check=False)
    text = "identity set" if asked.returncode == 0 else "no identity: git config --global user.name / user.email"
    return Finding("git", asked.returncode == 0, f"{text} (dvc exp needs one)")


def _settings(check_settings: Callable[[], object]) -> Finding:
    try:
        check_settings()
    except SurError as error:
        return Finding("params.yaml", False, str(error).replace("\n", "; "))
    return Finding("params.yaml", True, "every setting and model folder is good")

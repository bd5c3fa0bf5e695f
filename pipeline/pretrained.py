"""Opening a model that is named by folder or by Hugging Face id: checked, quiet, and one line when it cannot be had."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import model_folders
from pipeline.errors import ModelError
from pipeline.vision_shim import ensure_torchvision

NO_REVISION = "main"  # what from_pretrained takes for a folder, which has no revisions


@contextmanager
def opening(model: str, revision: str) -> Iterator[tuple[str, str]]:
    """Give name and revision for ``from_pretrained``; a folder's content is compared with its revision first.

    Raises:
        ModelError: the folder is missing or another one, or whatever loads the model in the block failed.
    """
    model_folders.verify(model, revision)
    try:
        yield (str(Path(model).expanduser()), NO_REVISION) if model_folders.is_folder(model) else (model, revision)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"model {model} cannot be loaded: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def quiet_transformers() -> None:
    """To be called before a model class is imported: torchvision works, and weights load without a bar of their own.

    Even a LLaMA's module imports torchvision, by way of video processing.
    """
    ensure_torchvision()
    from transformers.utils import logging

    logging.disable_progress_bar()


def read_config(model: str, revision: str, name: str = "config.json") -> dict[str, Any] | None:
    """A JSON file of a model without its weights; None where the hub's copy cannot be reached from here.

    Args:
        model: folder or Hugging Face id.
        revision: the hub's commit; a folder's is not compared.
        name: of the file inside the model.

    Raises:
        ModelError: the folder has no such readable file.
    """
    if not model_folders.is_folder(model):
        return _hub_config(model, revision, name)
    path = Path(model).expanduser() / name
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ModelError(f"model folder {model} has no readable {name}: {_first_line(error)}") from error


def _hub_config(model: str, revision: str, name: str) -> dict[str, Any] | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    for cached in (True, False):  # the cache first: where it has the file, no network is waited for
        try:
            path = hf_hub_download(model, name, revision=revision, local_files_only=cached)
        except (OSError, HfHubHTTPError, ValueError):  # not in the cache, no network, gated, or no such model
            continue
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))
    return None

"""Weights of an adapter folder: safetensors, float32, known by their digest, refused in one line."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pipeline.errors import ModelError
from pipeline.files import file_digest
from pipeline.unet_parts import Values


def write(path: Path, values: Values) -> str:
    """Write weights as float32; the same weights give the same bytes.

    Returns:
        The file's SHA-256.
    """
    plain = {name: value.detach().float().cpu().contiguous() for name, value in values.items()}
    save_file(plain, path, metadata={"format": "pt"})
    return file_digest(path)


def read(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """Read weights.

    Args:
        path: as :func:`write` wrote it.
        sha256: what the folder's config.json says of it.

    Raises:
        ModelError: it is missing, damaged or another file.
    """
    if not path.is_file():
        raise ModelError(f"{path} is missing: get the adapter folder again (dvc pull, or dvc repro train)")
    if file_digest(path) != sha256:
        raise ModelError(f"{path} is damaged or from another adapter: its content is not what config.json says")
    try:
        found: dict[str, torch.Tensor] = load_file(path)
    except SafetensorError as error:
        raise ModelError(f"{path} does not fit its config.json: {reason(error)}") from error
    return found


def reason(error: Exception) -> str:
    """The beginning of an error's text as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join(lines[:3])

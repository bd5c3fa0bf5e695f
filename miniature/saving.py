"""Model folders: weights in 16 bits, configurations and content digest, whole or not at all.

The card and the measured quality are written beside them by `cards`; they do not count in the digest.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from miniature import architectures
from miniature.training import device
from pipeline.files import atomic_folder, write_json
from pipeline.model_folders import write_revision
from pipeline.vision_shim import ensure_torchvision


class MissingModelError(Exception):
    """A model that another one builds on is not there."""


def load_diffusion(folder: Path) -> dict[str, Any]:
    """The frozen parts of a saved Stable Diffusion folder in float32, in evaluation mode, by the pipeline's names.

    Raises:
        MissingModelError: the folder holds no such model.
    """
    ensure_torchvision()
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    if not (folder / "model_index.json").is_file():
        raise MissingModelError(f"{folder} holds no diffusion model; make it first: --only diffusion")
    kinds = {"vae": AutoencoderKL, "text_encoder": CLIPTextModel, "unet": UNet2DConditionModel}
    parts = {name: kind.from_pretrained(folder / name) for name, kind in kinds.items()}
    for part in parts.values():
        part.float().eval().requires_grad_(False).to(device())
    return parts | {"tokenizer": CLIPTokenizer.from_pretrained(folder / "tokenizer")}


def load_controlnet(folder: Path) -> Any:
    """A saved ControlNet in float32.

    Raises:
        MissingModelError: the folder holds none.
    """
    ensure_torchvision()
    from diffusers import ControlNetModel

    if not (folder / "config.json").is_file():
        raise MissingModelError(f"{folder} holds no ControlNet; make it first: --only {folder.name}")
    return ControlNetModel.from_pretrained(folder).float().to(device())


def save_controlnet(folder: Path, model: Any) -> str:
    """Write a ControlNet's folder and return its revision."""
    with atomic_folder(folder) as target:
        copy.deepcopy(model).half().save_pretrained(target)
        return _finish(target)


def save_blip(folder: Path, model: Any, tokenizer: Any) -> str:
    """Write the captioner's folder and return its revision."""
    with atomic_folder(folder) as target:
        copy.deepcopy(model).half().save_pretrained(target)
        architectures.blip_processor(_unused(tokenizer)).save_pretrained(target)
        return _finish(target)


def save_clip(folder: Path, model: Any, tokenizer: Any) -> str:
    """Write the open_clip folder (configuration, weights, tokenizer) and return its revision."""
    from safetensors.torch import save_file

    with atomic_folder(folder) as target:
        weights = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights, target / "open_clip_model.safetensors")
        write_json(target / "open_clip_config.json", architectures.clip_config(tokenizer))
        _unused(tokenizer).save_pretrained(target)
        return _finish(target)


def save_llama(folder: Path, model: Any, tokenizer: Any) -> str:
    """Write a language model's folder and return its revision."""
    with atomic_folder(folder) as target:
        copy.deepcopy(model).half().save_pretrained(target)
        _unused(tokenizer).save_pretrained(target)
        return _finish(target)


def save_diffusion(folder: Path, parts: Mapping[str, Any]) -> str:
    """Write a Stable Diffusion folder from `vae`, `text_encoder`, `tokenizer` and `unet`; return its revision."""
    with atomic_folder(folder) as target:
        halves = {name: copy.deepcopy(parts[name]).half() for name in ("vae", "text_encoder", "unet")}
        architectures.pipeline(**halves, tokenizer=_unused(parts["tokenizer"])).save_pretrained(target)
        return _finish(target)


def _unused(tokenizer: Any) -> Any:
    """The tokenizer without the padding and truncation of its last call, which it would save too."""
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    return tokenizer


def _settle(folder: Path) -> None:
    """Make configurations say float32 (half is for storage: transformers would compute in what they say), and no place.

    A place is the path that a model was loaded from; without it the same weights give the same bytes everywhere.
    """
    for path in folder.rglob("config.json"):
        value = json.loads(path.read_text(encoding="utf-8"))
        value.pop("_name_or_path", None)
        if "dtype" in value:
            value["dtype"] = "float32"
        write_json(path, value)


def _finish(target: Path) -> str:
    _settle(target)
    return write_revision(target)

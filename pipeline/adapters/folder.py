"""A trained adapter as a folder, bound to its base model.

``adapter.safetensors``, ``unet.safetensors`` where parts of the U-Net were trained, ``config.json`` and ``README.md``.
"""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from pipeline.adapters import card, weight_files
from pipeline.adapters.checkpoint import Checkpoint
from pipeline.adapters.config import (
    AdapterConfig,
    LlmNamed,
    LlmRead,
    Named,
    OfficialConfig,
    StatesNamed,
    UnetTrained,
    name_of,
)
from pipeline.adapters.kinds import Adapter, NoAdapter
from pipeline.adapters.llm4gen import CrossAdapter
from pipeline.adapters.llmdiff import LlmDiffAdapter
from pipeline.adapters.official import OfficialAdapter
from pipeline.adapters.sur import SurAdapter
from pipeline.adapters.weight_files import reason
from pipeline.errors import ModelError
from pipeline.files import atomic_folder, write_json, write_text
from pipeline.model_folders import is_folder
from pipeline.unet_parts import Parts, Values

WEIGHTS, UNET, CONFIG, CARD = "adapter.safetensors", "unet.safetensors", "config.json", "README.md"


def save(
    folder: Path,
    adapter: Adapter,
    *,
    base: Named,
    llm: LlmNamed | None,
    w0_seed: int | None,
    llm_scale: str | None,
    steps: int,
    moving_average: bool = False,
    parts: Parts = "frozen",
    unet: Values | None = None,
) -> AdapterConfig:
    """Write the folder, whole or not at all; the same adapter gives the same bytes.

    Args:
        folder: replaced if it exists.
        adapter: what was trained; W0 and the LLM statistics are saved with it.
        base: the model whose text states and U-Net it was trained between.
        llm: what the LLM's states are from; None where none was asked.
        w0_seed: seed of the saved projection; None where there is none.
        llm_scale: ``raw`` or ``standardise``; None where no vector was distilled.
        steps: training steps done.
        moving_average: whether the weights are an average.
        parts: which of the U-Net's weights were trained.
        unet: their values by their names in the U-Net.
    """
    with atomic_folder(folder) as temporary:
        about = {
            "adapter": adapter.config.model_dump(),
            "base": base.model_dump(),
            "llm": None if llm is None else llm.model_dump(),
            "width": adapter.width,
            "llm_width": None if isinstance(adapter, OfficialAdapter | NoAdapter) else adapter.llm_width,
            "w0_seed": w0_seed,
            "llm_scale": llm_scale,
            "steps": steps,
            "moving_average": moving_average,
            "unet": {"parts": parts, "weights_sha256": weight_files.write(temporary / UNET, unet)} if unet else None,
        }
        config = AdapterConfig.model_validate(about | _stamp(temporary, adapter.state_dict()))
        write_json(temporary / CONFIG, config.model_dump())
        write_text(temporary / CARD, card.trained(config))
    return config


def save_official(folder: Path, found: Checkpoint, *, base: Named, eta: float) -> OfficialConfig:
    """Write a folder with the authors' weights, whole or not at all (ADR 0022).

    Args:
        folder: replaced if it exists.
        found: what their file holds.
        base: the model that they were trained for; the file does not tell.
        eta: the share of c_LLM that they were trained with; the file does not tell.
    """
    unknown = dict.fromkeys(("llm", "llm_width", "w0_seed", "llm_scale", "steps"))
    with atomic_folder(folder) as temporary:
        about = {
            "adapter": {
                "kind": "sur",
                "compat": "official",
                "eta": eta,
                "feed_forward_width": found.feed_forward_width,
            },
            "base": base.model_dump(),
            "width": found.width,
            "official_sha256": found.sha256,
        }
        config = OfficialConfig.model_validate(about | unknown | _stamp(temporary, found.weights))
        write_json(temporary / CONFIG, config.model_dump())
        write_text(temporary / CARD, card.official(config))
    return config


def _stamp(folder: Path, weights: Values) -> dict[str, Any]:
    """Write the weights; give what every config.json says of them."""
    return {
        "format": 1,
        "weights_sha256": weight_files.write(folder / WEIGHTS, weights),
        "package_version": importlib.metadata.version(card.PACKAGE),
    }


def read_config(folder: Path) -> AdapterConfig | OfficialConfig:
    """Read ``config.json``.

    Raises:
        ModelError: the folder is no adapter of this format.
    """
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return (OfficialConfig if _is_official(content) else AdapterConfig).model_validate(content)
    except OSError as error:
        raise ModelError(f"{folder} is no adapter folder: it has no readable {CONFIG}") from error
    except (ValidationError, ValueError) as error:
        raise ModelError(f"{folder / CONFIG} is damaged or of another format: {reason(error)}") from error


def _is_official(content: Any) -> bool:
    match content:
        case {"adapter": {"compat": "official"}}:
            return True
    return False


def load(folder: Path, *, base: Named, width: int, device: str = "cpu", unet: Any = None) -> Adapter:
    """Load an adapter in eval mode for a base model.

    Args:
        folder: as :func:`save` or :func:`save_official` wrote it.
        base: the model that it shall work with.
        width: features of that model's text states.
        device: where to put it; weights stay float32.
        unet: the base model's, which kind llmdiff speaks in: its layers are those of the adapter.

    Raises:
        ModelError: another base model, another width, or a damaged file. One line says what was found.
        ValueError: kind llmdiff without a U-Net.
    """
    config = read_config(folder)
    if not _same(config.base, base):
        raise ModelError(
            f"adapter {folder} was trained for {name_of(config.base)}, not for {name_of(base)}: "
            "it works with its own base model only"
        )
    if config.width != width:
        raise ModelError(f"adapter {folder} takes text states of width {config.width}, the model gives {width}")
    adapter = _unfilled(config, unet)
    _fill(adapter, folder / WEIGHTS, config.weights_sha256)
    return adapter.to(device).eval().requires_grad_(False)


def _unfilled(config: AdapterConfig | OfficialConfig, unet: Any) -> Adapter:
    match config:
        case OfficialConfig():
            return OfficialAdapter(config.adapter, width=config.width)
        case AdapterConfig() if config.adapter.kind == "none":
            return NoAdapter(config.adapter, width=config.width)
        case AdapterConfig() if config.adapter.kind == "llmdiff":
            if config.llm_width is None or not isinstance(config.llm, LlmRead):
                raise ModelError(f"{CONFIG} of kind llmdiff lacks llm_width or how the LLM is read: it is damaged")
            if unet is None:
                raise ValueError("an adapter of kind llmdiff is loaded for a U-Net: give the base model's")
            return LlmDiffAdapter(config.adapter, unet, llm_width=config.llm_width, blocks=config.llm.layer)
        case AdapterConfig() if config.llm_width is None:
            raise ModelError(f"{CONFIG} of kind {config.adapter.kind} lacks llm_width: it is damaged")
        case AdapterConfig() if config.adapter.kind == "llm4gen":
            return CrossAdapter(config.adapter, width=config.width, llm_width=config.llm_width)
        case AdapterConfig():
            if config.w0_seed is None:
                raise ModelError(f"{CONFIG} of kind sur lacks w0_seed: it is damaged")
            return SurAdapter(config.adapter, width=config.width, llm_width=config.llm_width, w0_seed=config.w0_seed)


def _fill(adapter: Adapter, path: Path, sha256: str) -> None:
    try:
        adapter.load_state_dict(weight_files.read(path, sha256))
    except RuntimeError as error:
        raise ModelError(f"{path} does not fit its {CONFIG}: {reason(error)}") from error


def load_unet(folder: Path, unet: Any) -> dict[str, torch.Tensor]:
    """The U-Net's weights that were trained, float32 by their names there; none where it was frozen.

    Args:
        folder: as :func:`save` wrote it.
        unet: the base model's, which the weights are for.

    Raises:
        ModelError: the folder or the file is damaged, or the weights do not fit this U-Net.
    """
    config = read_config(folder)
    if isinstance(config, OfficialConfig) or config.unet is None:
        return {}
    found = weight_files.read(folder / UNET, config.unet.weights_sha256)
    theirs = {name: tuple(parameter.shape) for name, parameter in unet.named_parameters()}
    wrong = [name for name, value in found.items() if theirs.get(name) != tuple(value.shape)]
    if wrong:
        raise ModelError(f"{folder / UNET} does not fit the base model's U-Net: {wrong[0]}")
    return found


def _same(trained: Named, wanted: Named) -> bool:
    """A folder may lie elsewhere, its digest names it; a hub's commit holds for its repository alone."""
    return trained.revision == wanted.revision and (is_folder(wanted.model) or trained.model == wanted.model)


__all__ = [
    "AdapterConfig",
    "LlmNamed",
    "LlmRead",
    "Named",
    "OfficialConfig",
    "StatesNamed",
    "UnetTrained",
    "load",
    "load_unet",
    "read_config",
    "save",
    "save_official",
]

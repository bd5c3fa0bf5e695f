"""A trained adapter as a folder (``adapter.safetensors``, ``config.json``, ``README.md``), bound to its base model."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pipeline.adapters import card
from pipeline.adapters.checkpoint import Checkpoint
from pipeline.adapters.config import AdapterConfig, LlmNamed, Named, OfficialConfig, name_of
from pipeline.adapters.official import Adapter, OfficialAdapter
from pipeline.adapters.sur import SurAdapter
from pipeline.errors import ModelError
from pipeline.files import atomic_folder, file_digest, write_json, write_text
from pipeline.model_folders import is_folder

WEIGHTS, CONFIG, CARD = "adapter.safetensors", "config.json", "README.md"


def save(
    folder: Path, adapter: SurAdapter, *, base: Named, llm: LlmNamed, w0_seed: int, llm_scale: str, steps: int
) -> AdapterConfig:
    """Write the folder, whole or not at all; the same adapter gives the same bytes.

    Args:
        folder: replaced if it exists.
        adapter: what was trained; W0 and the LLM statistics are saved with it.
        base: the model whose text states and U-Net it was trained between.
        llm: where the distilled vectors are from.
        w0_seed: seed of the saved projection.
        llm_scale: ``raw`` or ``standardise``.
        steps: training steps done.
    """
    with atomic_folder(folder) as temporary:
        weights = {name: value.detach().float().cpu().contiguous() for name, value in adapter.state_dict().items()}
        about = {
            "adapter": adapter.config.model_dump(),
            "base": base.model_dump(),
            "llm": llm.model_dump(),
            "width": adapter.width,
            "llm_width": adapter.llm_width,
            "w0_seed": w0_seed,
            "llm_scale": llm_scale,
            "steps": steps,
        }
        config = AdapterConfig.model_validate(about | _stamp(temporary, weights))
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


def _stamp(folder: Path, weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Write the weights; give what every config.json says of them."""
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    return {
        "format": 1,
        "weights_sha256": file_digest(folder / WEIGHTS),
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
        raise ModelError(f"{folder / CONFIG} is damaged or of another format: {_reason(error)}") from error


def _is_official(content: Any) -> bool:
    match content:
        case {"adapter": {"compat": "official"}}:
            return True
    return False


def load(folder: Path, *, base: Named, width: int, device: str = "cpu") -> Adapter:
    """Load an adapter in eval mode for a base model.

    Args:
        folder: as :func:`save` or :func:`save_official` wrote it.
        base: the model that it shall work with.
        width: features of that model's text states.
        device: where to put it; weights stay float32.

    Raises:
        ModelError: another base model, another width, or a damaged file. One line says what was found.
    """
    config = read_config(folder)
    if not _same(config.base, base):
        raise ModelError(
            f"adapter {folder} was trained for {name_of(config.base)}, not for {name_of(base)}: "
            "it works with its own base model only"
        )
    if config.width != width:
        raise ModelError(f"adapter {folder} takes text states of width {config.width}, the model gives {width}")
    adapter = _unfilled(config)
    _fill(adapter, folder / WEIGHTS, config.weights_sha256)
    return adapter.to(device).eval().requires_grad_(False)


def _unfilled(config: AdapterConfig | OfficialConfig) -> Adapter:
    match config:
        case OfficialConfig():
            return OfficialAdapter(config.adapter, width=config.width)
        case AdapterConfig():
            return SurAdapter(config.adapter, width=config.width, llm_width=config.llm_width, w0_seed=config.w0_seed)


def _fill(adapter: Adapter, path: Path, sha256: str) -> None:
    if not path.is_file():
        raise ModelError(f"{path} is missing: get the adapter folder again (dvc pull, or dvc repro train)")
    if file_digest(path) != sha256:
        raise ModelError(f"{path} is damaged or from another adapter: its content is not what {CONFIG} says")
    try:
        adapter.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise ModelError(f"{path} does not fit its {CONFIG}: {_reason(error)}") from error


def _same(trained: Named, wanted: Named) -> bool:
    """A folder may lie elsewhere, its digest names it; a hub's commit holds for its repository alone."""
    return trained.revision == wanted.revision and (is_folder(wanted.model) or trained.model == wanted.model)


def _reason(error: Exception) -> str:
    lines: list[Any] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join(lines[:3])


def parameter_counts(module: torch.nn.Module) -> dict[str, int]:
    """Numbers that are trained, and numbers that are saved but frozen (W0 and the LLM statistics)."""
    return {
        "trained": sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad),
        "frozen": sum(buffer.numel() for buffer in module.buffers()),
    }


__all__ = [
    "AdapterConfig",
    "LlmNamed",
    "Named",
    "OfficialConfig",
    "load",
    "parameter_counts",
    "read_config",
    "save",
    "save_official",
]

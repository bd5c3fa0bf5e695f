"""A trained adapter as a folder (``adapter.safetensors``, ``config.json``, ``README.md``), bound to its base model."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pipeline.adapters.sur import AdapterParams, SurAdapter
from pipeline.errors import ModelError
from pipeline.files import atomic_folder, file_digest, write_json, write_text
from pipeline.model_folders import is_folder
from pipeline.params import Section

WEIGHTS, CONFIG, CARD = "adapter.safetensors", "config.json", "README.md"
PACKAGE = "sur-workflow"


class Named(Section):
    """A model by name and revision; a folder's revision is the digest of its content."""

    model: str
    revision: str


class LlmNamed(Named):
    """The LLM and the layer whose vectors were distilled (layers count from 1)."""

    layer: int


class AdapterConfig(Section):
    """``config.json`` of an adapter folder."""

    format: Literal[1]
    adapter: AdapterParams
    """Kind, eta, mixing and the rest of section ``adapter``, as trained."""
    base: Named
    llm: LlmNamed
    width: int
    llm_width: int
    w0_seed: int
    llm_scale: Literal["raw", "standardise"]
    steps: int
    weights_sha256: str
    package_version: str


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
        save_file(weights, temporary / WEIGHTS, metadata={"format": "pt"})
        config = AdapterConfig.model_validate(
            {
                "format": 1,
                "adapter": adapter.config.model_dump(),
                "base": base.model_dump(),
                "llm": llm.model_dump(),
                "width": adapter.width,
                "llm_width": adapter.llm_width,
                "w0_seed": w0_seed,
                "llm_scale": llm_scale,
                "steps": steps,
                "weights_sha256": file_digest(temporary / WEIGHTS),
                "package_version": importlib.metadata.version(PACKAGE),
            }
        )
        write_json(temporary / CONFIG, config.model_dump())
        write_text(temporary / CARD, _card(config))
    return config


def read_config(folder: Path) -> AdapterConfig:
    """Read ``config.json``.

    Raises:
        ModelError: the folder is no adapter of this format.
    """
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return AdapterConfig.model_validate(content)
    except OSError as error:
        raise ModelError(f"{folder} is no adapter folder: it has no readable {CONFIG}") from error
    except (ValidationError, ValueError) as error:
        raise ModelError(f"{folder / CONFIG} is damaged or of another format: {_reason(error)}") from error


def load(folder: Path, *, base: Named, width: int, device: str = "cpu") -> SurAdapter:
    """Load a trained adapter in eval mode for a base model.

    Args:
        folder: as :func:`save` wrote it.
        base: the model that it shall work with.
        width: features of that model's text states.
        device: where to put it; weights stay float32.

    Raises:
        ModelError: another base model, another width, or a damaged file. One line says what was found.
    """
    config = read_config(folder)
    if not _same(config.base, base):
        raise ModelError(
            f"adapter {folder} was trained for {_name(config.base)}, not for {_name(base)}: "
            "it works with its own base model only"
        )
    if config.width != width:
        raise ModelError(f"adapter {folder} takes text states of width {config.width}, the model gives {width}")
    adapter = SurAdapter(config.adapter, width=width, llm_width=config.llm_width, w0_seed=config.w0_seed)
    _fill(adapter, folder / WEIGHTS, config.weights_sha256)
    return adapter.to(device).eval().requires_grad_(False)


def _fill(adapter: SurAdapter, path: Path, sha256: str) -> None:
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


def _name(model: Named) -> str:
    return f"{model.model} at {model.revision}"


def _reason(error: Exception) -> str:
    lines: list[Any] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join(lines[:3])


def parameter_counts(module: torch.nn.Module) -> dict[str, int]:
    """Numbers that are trained, and numbers that are saved but frozen (W0 and the LLM statistics)."""
    return {
        "trained": sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad),
        "frozen": sum(buffer.numel() for buffer in module.buffers()),
    }


def _card(config: AdapterConfig) -> str:
    hub = f"base_model: {config.base.model}\n" if not is_folder(config.base.model) else ""
    made = config.adapter
    return f"""---
library_name: diffusers
tags: [text-to-image, sur-adapter]
{hub}---

# SUR-adapter for {config.base.model}

Gives a frozen text-to-image model some of a language model's understanding of plain sentences (SUR-adapter,
arXiv 2305.05189). It works with its own base model only and refuses every other.

| | |
|---|---|
| base model | `{_name(config.base)}` |
| language model | `{_name(config.llm)}`, layer {config.llm.layer} counted from 1, needed for training only |
| eta | {made.eta} (a dial at run time: 0 is the untouched base model, bit for bit) |
| mixing | {made.mixing} |
| trained steps | {config.steps:,} |
| made with | {PACKAGE} {config.package_version} |

## Use

```python
from pathlib import Path
from pipeline.adapters import folder

base = folder.Named(model="{config.base.model}", revision="{config.base.revision}")
adapter = folder.load(Path("."), base=base, width={config.width})
condition = adapter(text_states).condition  # (batch, 77, {config.width}): give it as prompt_embeds
```

The frozen projection of the language model's vector (W0) and its statistics are saved with the weights.
What it was trained on and how well it does: see the data set's card and the report of the workflow that made it.
"""

"""The ``.pt`` file of the SUR-adapter's authors: its 48 names and their shapes, read as weights alone (ADR 0022).

Nothing in the file is run: a pickle that wants more than tensors is refused.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from pipeline.adapters.official import HEADS, LAYERS
from pipeline.errors import InputError
from pipeline.files import file_digest

Shapes = dict[str, tuple[int, ...]]

OURS = {
    "transformer_encoder.": "transformer.",
    "attention.query_layer.": "query.",
    "attention.key_layer.": "h2.",
    "attention.output_layer.": "h1.",
    "fc.": "g.",
}
"""Beginning of their names -> of ours."""
DEAD = ("encoder_layer.", "attention.value_layer.")
"""What their forward pass never reads: the layer that the Transformer's layers were copied from, a projection of V."""
BLOCKS = ("encoder_layer", *(f"transformer_encoder.layers.{number}" for number in range(LAYERS)))
ATTENTION = ("query_layer", "key_layer", "value_layer", "output_layer.0", "output_layer.2")
WIDTH_IS_IN, HIDDEN_IS_IN = "fc.bias", "encoder_layer.linear1.bias"
TOLD = 3  # names in a message


class Checkpoint(NamedTuple):
    """What one of the authors' files holds."""

    weights: dict[str, torch.Tensor]
    """Of :class:`pipeline.adapters.official.OfficialAdapter`, float32."""
    width: int
    """d, of the text states."""
    feed_forward_width: int
    """Hidden width of h3's layers."""
    parameters: int
    """Numbers in the file."""
    dead: int
    """Those of them that the authors' network never reads; they are left out."""
    sha256: str
    """Of the file."""


def read(path: Path, *, sha256: str | None = None) -> Checkpoint:
    """Read the authors' file; every name and shape is checked, also of what is left out.

    Args:
        path: a ``.pt`` file: the state dict alone, as their trainer saves it.
        sha256: refuse another file than this one.

    Raises:
        InputError: one line: the file is missing, damaged, another one, more than weights, or of other names or shapes.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: name the authors' .pt file")
    found = file_digest(path)
    if sha256 not in (None, found):
        raise InputError(f"{path} has SHA-256 {found}, not {sha256}: name its own, or get the file again")
    state = _tensors(path)
    _require_names(path, state)
    width, hidden = state[WIDTH_IS_IN].numel(), state[HIDDEN_IS_IN].numel()
    wanted = shapes(width, hidden)
    _require_shapes(path, state, wanted)
    dead = [name for name in wanted if name.startswith(DEAD)]
    return Checkpoint(
        weights={
            _ours(name): state[name].float().clone(memory_format=torch.contiguous_format)
            for name in wanted
            if name not in dead
        },
        width=width,
        feed_forward_width=hidden,
        parameters=sum(value.numel() for value in state.values()),
        dead=sum(state[name].numel() for name in dead),
        sha256=found,
    )


def told(found: Checkpoint) -> str:
    """For the user: what was read, and what was left out."""
    return (
        f"{len(shapes(found.width, found.feed_forward_width))} tensors, {found.parameters:,} parameters; "
        f"{found.dead:,} of them (encoder_layer, attention.value_layer) are not read by the authors' network: left out"
    )


def shapes(width: int, hidden: int) -> Shapes:
    """The 48 names of the authors' state dict with their shapes.

    Args:
        width: d, 768 in the authors' code.
        hidden: of the Transformer's layers, 2048 in the authors' code.
    """
    found: Shapes = {}
    for name in BLOCKS:
        found |= _block(name, width, hidden)
    for name in (*(f"attention.{layer}" for layer in ATTENTION), "fc"):
        found |= _linear(name, width, width)
    return found


def _block(name: str, width: int, hidden: int) -> Shapes:
    """Twelve tensors of an ``nn.TransformerEncoderLayer``."""
    return {
        f"{name}.self_attn.in_proj_weight": (3 * width, width),
        f"{name}.self_attn.in_proj_bias": (3 * width,),
        **_linear(f"{name}.self_attn.out_proj", width, width),
        **_linear(f"{name}.linear1", hidden, width),
        **_linear(f"{name}.linear2", width, hidden),
        **{f"{name}.norm{number}.{part}": (width,) for number in (1, 2) for part in ("weight", "bias")},
    }


def _linear(name: str, rows: int, columns: int) -> Shapes:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in many ways, from EOFError to struct.error
        raise InputError(
            f"{path} is no PyTorch file of weights alone: it is damaged, or asks for code to be run, which was not done"
        ) from error
    if not isinstance(state, Mapping) or not all(map(_is_plain, state.values())):
        raise InputError(f"{path} holds no state dict: the authors' file is 48 named tensors and nothing else")
    return {str(name): value for name, value in state.items()}


def _is_plain(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.layout == torch.strided


def _require_names(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    known = shapes(1, 1)
    faults = {
        "missing": [name for name in known if name not in state],
        "too much": [name for name in state if name not in known],
    }
    said = [f"{len(names)} {fault} ({_some(names)})" for fault, names in faults.items() if names]
    if said:
        raise InputError(f"{path} has not the {len(known)} names of the authors' state dict: {', '.join(said)}")


def _require_shapes(path: Path, state: Mapping[str, torch.Tensor], wanted: Shapes) -> None:
    found = {name: tuple(state[name].shape) for name in wanted}
    wrong = [f"{name} {found[name]}, not {shape}" for name, shape in wanted.items() if found[name] != shape]
    if wrong:
        raise InputError(f"{path} has tensors of other shapes than its {WIDTH_IS_IN} asks for: {_some(wrong)}")
    width, hidden = state[WIDTH_IS_IN].numel(), state[HIDDEN_IS_IN].numel()
    if 0 in (width, hidden) or width % HEADS:
        raise InputError(f"{path} is for text states of width {width}, which the {HEADS} heads of h3 do not divide")
    wrong = [name for name in wanted if not state[name].is_floating_point() or not state[name].isfinite().all()]
    if wrong:
        raise InputError(f"{path} holds values that are no finite numbers: {_some(wrong)}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:TOLD]) + (", ..." if len(names) > TOLD else "")


def _ours(name: str) -> str:
    theirs = next(beginning for beginning in OURS if name.startswith(beginning))
    return OURS[theirs] + name.removeprefix(theirs)

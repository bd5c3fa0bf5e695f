"""A decoder of transformers whose residual stream is looked at block by block while a pass runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from operator import attrgetter
from typing import Any

import torch
from torch import nn

from pipeline.errors import ModelError

Look = Callable[[torch.Tensor], None]

# Where decoders of transformers keep their blocks and the norm after the last one: LLaMA and kin (Mistral, Qwen,
# Gemma), GPT-NeoX, Phi, GPT-2 with Falcon and Bloom, MPT, OPT.
LAYOUTS = (
    ("layers", "norm"),
    ("layers", "final_layer_norm"),
    ("layers", "final_layernorm"),
    ("h", "ln_f"),
    ("blocks", "norm_f"),
    ("decoder.layers", "decoder.final_layer_norm"),
)


class Decoder:
    """A decoder without language-model head, as deep as needed.

    Args:
        model: of transformers; blocks above the deepest layer are freed: the pass ends after it.
        deepest: layers to keep, counted from 1.

    Raises:
        ModelError: the model keeps its blocks where this version does not look.
    """

    def __init__(self, model: nn.Module, deepest: int) -> None:
        self.blocks, self.norm = _parts(model)
        del self.blocks[deepest:]
        self.model = model.eval()

    @property
    def device(self) -> torch.device:
        """Where token ids go: the embedding's device, also where the blocks are spread over several."""
        return next(self.model.parameters()).device

    @torch.no_grad()
    def run(self, tokens: Sequence[Sequence[int]], looks: Mapping[int, Look]) -> None:
        """One pass over prompts of one length.

        Args:
            tokens: B prompts of T tokens each; one length, so that there is no padding.
            looks: by layer, what to do with the residual stream (B, T, d) after that block and before the final norm;
                0 is what enters the first block.
        """
        ids = torch.tensor(tokens, device=self.device)  # (B, T)
        with self._looking(looks):
            self.model(input_ids=ids, use_cache=False)

    @contextmanager
    def _looking(self, looks: Mapping[int, Look]) -> Iterator[None]:
        with ExitStack() as stack:
            for layer, look in looks.items():
                if layer == 0:
                    hook = self.blocks[0].register_forward_pre_hook(partial(_enters, look), with_kwargs=True)
                else:
                    hook = self.blocks[layer - 1].register_forward_hook(partial(_leaves, look))
                stack.callback(hook.remove)
            yield


def _enters(look: Look, _block: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
    look(inputs[0] if inputs else named["hidden_states"])


def _leaves(look: Look, _block: nn.Module, _inputs: Any, output: Any) -> None:
    look(output[0] if isinstance(output, tuple) else output)


def _parts(model: nn.Module) -> tuple[nn.ModuleList, nn.Module]:
    """A decoder's blocks and its final norm."""
    for blocks, norm in LAYOUTS:
        try:
            return attrgetter(blocks)(model), attrgetter(norm)(model)
        except AttributeError:
            continue
    raise ModelError(f"{type(model).__name__} keeps its blocks where this version does not look: use a LLaMA or kin")


def same_length(tokens: Sequence[Sequence[int]], batch: int) -> Iterator[list[int]]:
    """Rows in groups of exactly the same length, at most ``batch`` a group, short ones first."""
    lengths: dict[int, list[int]] = {}
    for row, own in enumerate(tokens):
        lengths.setdefault(len(own), []).append(row)
    for length in sorted(lengths):
        rows = lengths[length]
        yield from (rows[start : start + batch] for start in range(0, len(rows), batch))

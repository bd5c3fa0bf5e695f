"""The LLM's states token by token as adapters take them: of one length, zeros behind a prompt's own tokens."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from pipeline.adapters.llmdiff import Blocks
from pipeline.state_files import States, Values

TextStatesOf = Callable[[str], torch.Tensor | Blocks]
"""The LLM's states of a text as the kind of adapter takes them: (1, tokens, d) float32, or of all blocks."""


def padded(states: Sequence[Values | None], tokens: int, width: int) -> torch.Tensor:
    """States of some prompts side by side.

    A prompt's row never depends on its neighbours: the length is fixed, longer prompts are cut.

    Args:
        states: (own tokens, d) each; None is the empty text, which has no token of its own.
        tokens: the length.
        width: d.

    Returns:
        (batch, tokens, d) float32.
    """
    rows = np.zeros((len(states), tokens, width), np.float32)
    for row, own in zip(rows, states, strict=True):
        if own is not None:
            row[: len(own)] = own[:tokens]
    return torch.from_numpy(rows)


class RowStates:
    """States of a split's rows, read from the disk where a step asks for them.

    Args:
        source: memory-mapped states of all samples.
        sample_ids: of the rows.
        tokens: the length.

    Raises:
        InputError: the first sample is not there.
    """

    def __init__(self, source: States, sample_ids: Sequence[str], tokens: int) -> None:
        self._source, self._ids, self._tokens = source, list(sample_ids), tokens
        self.width = int(source.of(self._ids[0]).shape[-1]) if self._ids else 0

    def take(self, rows: Sequence[int], captioned: Sequence[bool]) -> torch.Tensor:
        """(batch, tokens, d) float32 of some rows; of the empty text where a row's caption was dropped."""
        found = [self._source.of(self._ids[row]) if kept else None for row, kept in zip(rows, captioned, strict=True)]
        return padded(found, self._tokens, self.width)

"""Prompts of a training step as the LLMDiff-Adapter reads them: block states, and the encoder's noise of each place."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from pipeline.adapters.llmdiff import Blocks
from pipeline.block_states import SampleStates
from pipeline.seeds import seed_of


class Prompts(NamedTuple):
    """Of the rows of a batch."""

    blocks: Blocks
    eps: torch.Tensor | None
    """(batch, T, LLM width) standard normal; None where nothing is drawn: in validation."""

    def to(self, device: str | torch.device) -> "Prompts":
        """On a device."""
        return Prompts(self.blocks.to(device), None if self.eps is None else self.eps.to(device))


def prompts(states: SampleStates, sample_ids: Sequence[str | None], seeds: Sequence[int] | None = None) -> Prompts:
    """Block states of some samples, with noise of their own where there are seeds.

    A row's noise depends on its seed and its own tokens, and on nothing beside it in the batch.

    Args:
        states: of the data set.
        sample_ids: which; None is the empty text.
        seeds: of the rows' draws.
    """
    blocks = states.batch(sample_ids)
    if seeds is None:
        return Prompts(blocks, None)
    length, width = blocks.own.shape[1], states.width
    rows = [_noise(seed, int(own.sum()), width) for seed, own in zip(seeds, blocks.own, strict=True)]
    return Prompts(blocks, torch.stack([F.pad(row, (0, 0, 0, length - len(row))) for row in rows]))


def _noise(seed: int, tokens: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, "eps"))
    return torch.randn((tokens, width), generator=generator)

"""What the trainer learns from: the examples of a split in memory, and which of them and which noise a step draws.

Every draw is a pure function of the seed, the step and the place in the global batch. So a resumed run, another
micro-batch and another number of processes draw the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import torch

from pipeline import tables
from pipeline.block_states import SampleStates
from pipeline.errors import EmptyResultError
from pipeline.padded_states import RowStates, TextStatesOf
from pipeline.samples import SURD
from pipeline.seeds import seed_of
from pipeline.tables import KEY
from pipeline.training_moments import Moments, Source
from pipeline.training_prompts import Prompts, prompts

Vectors = Callable[[Sequence[str]], npt.NDArray[np.float32]]
TEXTS = tables.schema(*(SURD.field(name) for name in (KEY, "split", "complex_prompt", "simple_prompt")))


@dataclass(frozen=True)
class Examples:
    """Rows of one split, sorted by ``sample_id``."""

    sample_ids: list[str]
    simple: list[str]
    complex: list[str]
    llm: torch.Tensor
    """(rows, llm width) float32: pooled vectors of the simple prompts."""
    moments: Moments
    """Of the pictures' latents, with mirrored ones where mirroring is on."""
    states: SampleStates | None = None
    """Of the simple prompts' tokens, all blocks, on the disk; None for kinds that do not read them."""
    token_states: RowStates | None = None
    """The LLM's states of the simple prompts, token by token, for the kind that takes those of one layer."""

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one latent."""
        values, height, width = self.moments.shape
        return values // 2, height, width


class Batch(NamedTuple):
    """Rows of a step and what is drawn for them."""

    simple: list[str]
    complex: list[str]
    llm: torch.Tensor
    """(batch, llm width) float32."""
    moments: torch.Tensor
    """(batch, 2 x channels, height, width) float32."""
    latent_noise: torch.Tensor
    """(batch, channels, height, width): draws z from its moments."""
    noise: torch.Tensor
    """eps of Eq. 8, the same shape."""
    timesteps: torch.Tensor
    """(batch,) int64."""
    captioned: torch.Tensor
    """(batch,) bool: False where both prompts were dropped for the empty text."""
    prompts: Prompts | None = None
    """The simple prompts' block states, for the kind that reads them."""
    token_states: torch.Tensor | None = None
    """(batch, LLM tokens, LLM width) float32: the LLM's states of the simple prompts, for the kind that takes them."""


def read_examples(
    pictures: Path,
    moments: Source,
    vectors: Vectors,
    split: str,
    *,
    mirrored: bool,
    limit: int | None = None,
    states: SampleStates | None = None,
    token_states: Callable[[Sequence[str]], RowStates] | None = None,
) -> Examples:
    """Join prompts, moments and LLM vectors of a split by ``sample_id``.

    Args:
        pictures: ``data/resize/parts``.
        moments: gives the moments of some sample ids: :func:`pipeline.training_moments.cached` or ``live``.
        vectors: gives the LLM vectors of some sample ids, in their order.
        split: ``train`` or ``val``.
        mirrored: keep the mirrored moments too.
        limit: take the first rows only.
        states: block states, for the kind that reads them.
        token_states: gives those of some sample ids, for the kind that takes them.

    Raises:
        InputError: a sample has no latents.
    """
    rows = tables.read_shards(pictures, TEXTS)
    rows = rows.filter(pc.equal(rows.column("split"), split)).sort_by(KEY).slice(0, limit)
    ids: list[str] = rows.column(KEY).to_pylist()
    return Examples(
        sample_ids=ids,
        simple=rows.column("simple_prompt").to_pylist(),
        complex=rows.column("complex_prompt").to_pylist(),
        llm=torch.from_numpy(vectors(ids)),
        moments=moments(ids, mirrored),
        states=states,
        token_states=None if token_states is None else token_states(ids),
    )


def different_prompts(pictures: Path, split: str) -> list[str]:
    """The simple prompts of a split, each once, in the order of ``sample_id``."""
    rows = tables.read_shards(pictures, TEXTS)
    rows = rows.filter(pc.equal(rows.column("split"), split)).sort_by(KEY)
    return list(dict.fromkeys(rows.column("simple_prompt").to_pylist()))


def states_by_text(examples: Examples) -> TextStatesOf | None:
    """The LLM's states of a split's simple prompts and of the empty text by their words: no LLM is needed for them.

    Of samples with one text the first is taken; None for kinds that read no states.
    """
    rows = {text: row for row, text in reversed(list(enumerate(examples.simple)))}
    if (blocks := examples.states) is not None:
        return lambda text: blocks.batch([examples.sample_ids[rows[text]] if text else None])
    if (states := examples.token_states) is not None:
        return lambda text: states.take([rows[text] if text else 0], [bool(text)])
    return None


def batch_rows(seed: int, step: int, size: int, count: int) -> list[int]:
    """Rows of the global batch of a step, counted from 0: each epoch is a permutation, batches run over its end.

    Args:
        seed: of the permutations.
        step: from 0.
        size: of the global batch.
        count: rows of the split.
    """
    first = step * size
    order = {
        epoch: _permutation(seed, epoch, count) for epoch in range(first // count, (first + size - 1) // count + 1)
    }
    return [order[position // count][position % count] for position in range(first, first + size)]


def _permutation(seed: int, epoch: int, count: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order


def training_batch(
    examples: Examples,
    rows: Sequence[int],
    seeds: Sequence[int],
    timesteps: int,
    *,
    noise_offset: float = 0.0,
    caption_dropout: float = 0.0,
) -> Batch:
    """Rows with uniform timesteps, noise and, where there are mirrored moments, a coin for mirroring.

    Args:
        examples: of the training split.
        rows: which.
        seeds: one a row; decides all that is drawn for it.
        timesteps: number of the model's training timesteps.
        noise_offset: deviation of what a channel's noise has in common.
        caption_dropout: share of rows whose two prompts become the empty text.
    """
    drawn = [_draw(examples, seed, timesteps, noise_offset) for seed in seeds]
    drawn_timesteps, sides, noises, coins = (torch.stack(values) for values in zip(*drawn, strict=True))
    batch = _batch(examples, rows, sides, drawn_timesteps, noises, captioned=coins >= caption_dropout)
    return batch._replace(prompts=_prompts(examples, rows, batch.captioned, seeds))


def _draw(examples: Examples, seed: int, timesteps: int, noise_offset: float) -> tuple[torch.Tensor, ...]:
    """Timestep, side, both noises and a number from 0 to 1.

    The offset and the number are drawn where nothing asks for them too: no setting changes what is drawn for another.
    """
    generator = torch.Generator().manual_seed(seed)
    timestep = torch.randint(timesteps, (), generator=generator)
    side = torch.randint(examples.moments.sides, (), generator=generator)
    noises = torch.randn((2, *examples.latent_shape), generator=generator)
    shared = torch.randn((examples.latent_shape[0], 1, 1), generator=generator)
    coin = torch.rand((), generator=generator)
    if noise_offset:
        noises[1] += noise_offset * shared
    return timestep, side, noises, coin


def validation_batch(examples: Examples, rows: Sequence[int], seed: int, timesteps: int) -> Batch:
    """Rows with fixed noise and timesteps that lie evenly over the whole split: the same at every validation."""
    spread = torch.tensor([(2 * row + 1) * timesteps // (2 * len(examples)) for row in rows])
    generators = [torch.Generator().manual_seed(seed_of(seed, "validation", row)) for row in rows]
    noises = torch.stack([torch.randn((2, *examples.latent_shape), generator=one) for one in generators])
    plain, captioned = torch.zeros(len(rows), dtype=torch.int64), torch.ones(len(rows), dtype=torch.bool)
    batch = _batch(examples, rows, plain, spread, noises, captioned=captioned)
    return batch._replace(prompts=_prompts(examples, rows, captioned, None))


def _batch(
    examples: Examples,
    rows: Sequence[int],
    sides: torch.Tensor,
    timesteps: torch.Tensor,
    noises: torch.Tensor,
    *,
    captioned: torch.Tensor,
) -> Batch:
    told: list[bool] = captioned.tolist()
    said = list(zip(rows, told, strict=True))
    return Batch(
        simple=[examples.simple[row] if kept else "" for row, kept in said],
        complex=[examples.complex[row] if kept else "" for row, kept in said],
        llm=examples.llm[torch.tensor(list(rows))],
        moments=examples.moments.take(rows, sides),
        latent_noise=noises[:, 0],
        noise=noises[:, 1],
        timesteps=timesteps,
        captioned=captioned,
        token_states=None if examples.token_states is None else examples.token_states.take(rows, told),
    )


def _prompts(
    examples: Examples, rows: Sequence[int], captioned: torch.Tensor, seeds: Sequence[int] | None
) -> Prompts | None:
    if examples.states is None:
        return None
    said = zip(rows, captioned.tolist(), strict=True)
    return prompts(examples.states, [examples.sample_ids[row] if kept else None for row, kept in said], seeds)


def require_examples(examples: Examples) -> Examples:
    """The training split, unless it is empty.

    Raises:
        EmptyResultError: no sample is in split ``train``.
    """
    if not len(examples):
        raise EmptyResultError("train: split train has no sample, see clean.val_share and clean.test_share")
    return examples

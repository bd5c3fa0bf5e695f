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

from pipeline import latents, tables
from pipeline.errors import EmptyResultError, InputError
from pipeline.samples import SURD
from pipeline.seeds import seed_of
from pipeline.tables import KEY

Vectors = Callable[[Sequence[str]], npt.NDArray[np.float32]]
TEXTS = tables.schema(*(SURD.field(name) for name in (KEY, "split", "complex_prompt", "simple_prompt")))


@dataclass(frozen=True)
class Examples:
    """Rows of one split, sorted by ``sample_id``; 131 kB a row for 512 px pictures with their mirrored moments."""

    sample_ids: list[str]
    simple: list[str]
    complex: list[str]
    llm: torch.Tensor
    """(rows, llm width) float32: pooled vectors of the simple prompts."""
    moments: torch.Tensor
    """(rows, 1 or 2, 2 x channels, height, width) float16: plain, then mirrored where mirroring is on."""

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one latent."""
        values, height, width = self.moments.shape[2:]
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


def read_examples(
    pictures: Path, moments: Path, vectors: Vectors, split: str, *, mirrored: bool, limit: int | None = None
) -> Examples:
    """Join prompts, moments and LLM vectors of a split by ``sample_id``.

    Args:
        pictures: ``data/resize/parts``.
        moments: ``data/latents/parts``.
        vectors: gives the LLM vectors of some sample ids, in their order.
        split: ``train`` or ``val``.
        mirrored: keep the mirrored moments too.
        limit: take the first rows only.

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
        moments=_read_moments(moments, ids, mirrored),
    )


def different_prompts(pictures: Path, split: str) -> list[str]:
    """The simple prompts of a split, each once, in the order of ``sample_id``."""
    rows = tables.read_shards(pictures, TEXTS)
    rows = rows.filter(pc.equal(rows.column("split"), split)).sort_by(KEY)
    return list(dict.fromkeys(rows.column("simple_prompt").to_pylist()))


def _read_moments(folder: Path, ids: Sequence[str], mirrored: bool) -> torch.Tensor:
    """Shard by shard into one array of its final size."""
    places = {sample_id: row for row, sample_id in enumerate(ids)}
    found: torch.Tensor | None = None
    missing = set(ids)
    for path in tables.shards(folder):
        names, plain, flipped = latents.read(path)
        if found is None:
            found = torch.empty((len(ids), 1 + mirrored, *plain.shape[1:]), dtype=torch.float16)
        kept = [row for row, name in enumerate(names) if name in places]
        targets = [places[names[row]] for row in kept]
        for slot, values in enumerate((plain, flipped)[: 1 + mirrored]):
            found[targets, slot] = torch.from_numpy(values[kept])
        missing.difference_update(names)
    if missing or found is None:
        raise InputError(f"{folder} lacks {len(missing)} samples, first {min(missing)}: run dvc repro latents")
    return found


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


def training_batch(examples: Examples, rows: Sequence[int], seeds: Sequence[int], timesteps: int) -> Batch:
    """Rows with uniform timesteps, noise and, where there are mirrored moments, a coin for mirroring.

    Args:
        examples: of the training split.
        rows: which.
        seeds: one a row; decides all that is drawn for it.
        timesteps: number of the model's training timesteps.
    """
    drawn_timesteps, sides, noises = [], [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        drawn_timesteps.append(torch.randint(timesteps, (), generator=generator))
        sides.append(torch.randint(examples.moments.shape[1], (), generator=generator))
        noises.append(torch.randn((2, *examples.latent_shape), generator=generator))
    return _batch(examples, rows, torch.stack(sides), torch.stack(drawn_timesteps), torch.stack(noises))


def validation_batch(examples: Examples, rows: Sequence[int], seed: int, timesteps: int) -> Batch:
    """Rows with fixed noise and timesteps that lie evenly over the whole split: the same at every validation."""
    spread = torch.tensor([(2 * row + 1) * timesteps // (2 * len(examples)) for row in rows])
    generators = [torch.Generator().manual_seed(seed_of(seed, "validation", row)) for row in rows]
    noises = torch.stack([torch.randn((2, *examples.latent_shape), generator=one) for one in generators])
    return _batch(examples, rows, torch.zeros(len(rows), dtype=torch.int64), spread, noises)


def _batch(
    examples: Examples, rows: Sequence[int], sides: torch.Tensor, timesteps: torch.Tensor, noises: torch.Tensor
) -> Batch:
    chosen = torch.tensor(list(rows))
    return Batch(
        simple=[examples.simple[row] for row in rows],
        complex=[examples.complex[row] for row in rows],
        llm=examples.llm[chosen],
        moments=examples.moments[chosen, sides].float(),
        latent_noise=noises[:, 0],
        noise=noises[:, 1],
        timesteps=timesteps,
    )


def require_examples(examples: Examples) -> Examples:
    """The training split, unless it is empty.

    Raises:
        EmptyResultError: no sample is in split ``train``.
    """
    if not len(examples):
        raise EmptyResultError("train: split train has no sample, see clean.val_share and clean.test_share")
    return examples

"""Where the trainer's latents come from: moments that stage ``latents`` cached, or pictures encoded in the step."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import torch

from pipeline import latents, tables
from pipeline.errors import InputError
from pipeline.images import decode
from pipeline.tables import IMAGE, KEY, column
from pipeline.vae import Codec, to_pixels

PICTURES = tables.schema(column(KEY, pa.string(), "the sample"), column("image", IMAGE, "the square picture"))


class Moments(Protocol):
    """Mean and log variance of the latents of some samples, by row."""

    @property
    def sides(self) -> int:
        """2 where there is a mirrored picture beside the plain one, else 1."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """2 x channels, height, width."""

    def take(self, rows: Sequence[int], sides: torch.Tensor) -> torch.Tensor:
        """Moments (batch, 2 x channels, height, width) float32 of some rows, plain (0) or mirrored (1)."""


Source = Callable[[Sequence[str], bool], Moments]
"""Gives the moments of some sample ids, with mirrored ones or without."""


@dataclass(frozen=True)
class CachedMoments:
    """What stage ``latents`` encoded, all in memory: 131 kB a sample for 512 px pictures with their mirrored ones."""

    values: torch.Tensor
    """(rows, sides, 2 x channels, height, width) float16: plain, then mirrored."""

    @property
    def sides(self) -> int:
        """Pictures of a sample."""
        return int(self.values.shape[1])

    @property
    def shape(self) -> tuple[int, int, int]:
        """2 x channels, height, width."""
        values, height, width = self.values.shape[2:]
        return values, height, width

    def take(self, rows: Sequence[int], sides: torch.Tensor) -> torch.Tensor:
        """See :class:`Moments`."""
        return self.values[torch.tensor(list(rows)), sides].float()


@dataclass(frozen=True)
class LiveMoments:
    """Pictures that are encoded when they are asked for; their encoded bytes are in memory."""

    pictures: Sequence[bytes]
    """One a row: square RGB pictures of one size, as stage ``resize`` encoded them."""
    codec: Codec
    """The base model's VAE, in the training's number format."""
    sides: int
    """2 mirrors."""

    @functools.cached_property
    def shape(self) -> tuple[int, int, int]:
        """2 x channels, height, width."""
        width, height = decode(self.pictures[0]).size
        factor = self.codec.side_factor
        return 2 * int(self.codec.vae.config.latent_channels), height // factor, width // factor

    def take(self, rows: Sequence[int], sides: torch.Tensor) -> torch.Tensor:
        """See :class:`Moments`."""
        pixels = to_pixels([decode(self.pictures[row]) for row in rows])
        turned = torch.where(sides.bool().view(-1, 1, 1, 1), pixels.flip(-1), pixels)
        return self.codec.moments(turned)


def cached(folder: Path) -> Source:
    """Moments of stage ``latents``.

    Args:
        folder: ``data/latents/parts``; :class:`InputError` is raised where it lacks a sample.
    """

    def read(ids: Sequence[str], mirrored: bool) -> Moments:
        return CachedMoments(_read_moments(folder, ids, 1 + mirrored))

    return read


def _read_moments(folder: Path, ids: Sequence[str], sides: int) -> torch.Tensor:
    """Shard by shard into one array of its final size."""
    places = {sample_id: row for row, sample_id in enumerate(ids)}
    found: torch.Tensor | None = None
    missing = set(ids)
    for path in tables.shards(folder):
        names, plain, flipped = latents.read(path)
        if found is None:
            found = torch.empty((len(ids), sides, *plain.shape[1:]), dtype=torch.float16)
        kept = [row for row, name in enumerate(names) if name in places]
        targets = [places[names[row]] for row in kept]
        for slot, values in enumerate((plain, flipped)[:sides]):
            found[targets, slot] = torch.from_numpy(values[kept])
        missing.difference_update(names)
    if missing or found is None:
        raise InputError(f"{folder} lacks {len(missing)} samples, first {min(missing)}: run dvc repro latents")
    return found


def live(folder: Path, codec: Codec) -> Source:
    """Moments encoded in the step.

    Args:
        folder: ``data/resize/parts``; its samples' encoded pictures are held in memory.
        codec: the base model's VAE.
    """

    def read(ids: Sequence[str], mirrored: bool) -> Moments:
        wanted = set(ids)
        found: dict[str, bytes] = {}
        for path in tables.shards(folder):
            shard = tables.read(path, PICTURES)
            names, pictures = shard.column(KEY).to_pylist(), shard.column("image")
            found |= {name: pictures[row].as_py()["bytes"] for row, name in enumerate(names) if name in wanted}
        return LiveMoments([found[name] for name in ids], codec, 1 + mirrored)

    return read

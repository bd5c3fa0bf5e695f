"""Stage ``latents``: what the frozen VAE makes of each picture, plain and mirrored, so that training need not encode.

Reads     data/resize/parts              samples.SURD
Writes    data/latents/parts             latents.latents_schema: float16 moments
          data/latents/report.json       sizes, and how near the decoded pictures come to the originals
          data/latents/sheet.png         pictures beside what the VAE keeps of them
Params    diffusion
"""

import functools
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from pipeline import cli, engine, images, operating, samples, tables, vae
from pipeline import latents as encoding
from pipeline.engine import ComputeParams
from pipeline.files import atomic_file
from pipeline.latents import RESULT, Encoder, latents_schema, to_table
from pipeline.latents import read as read_latents
from pipeline.operating import Work
from pipeline.params import load
from pipeline.samples import ROWS_PER_SHARD
from pipeline.tables import IMAGE, KEY, column
from pipeline.vae import Codec, DiffusionParams
from pipeline.work import ROW_KEY, ResultStore

SOURCE = Path("data/resize/parts")
TARGET = Path("data/latents")
PICTURES = tables.schema(column(KEY, pa.string(), "the sample"), column("image", IMAGE, "the square picture"))
SHOWN = 12


def main() -> None:
    """Encode the data set with the base model in force."""
    config, compute = load(DiffusionParams, "diffusion"), load(ComputeParams, "compute")
    dtype = getattr(torch, config.dtype)
    codec = functools.cache(
        lambda: vae.load_codec(config.model, config.revision, device=engine.device(compute), dtype=dtype)
    )
    latents(SOURCE, TARGET, config, codec=codec, batch=compute.vae_batch)


def latents(source: Path, target: Path, config: DiffusionParams, *, codec: Callable[[], Codec], batch: int) -> None:
    """Write the moments of all pictures.

    Args:
        source: shards of the data set.
        target: the stage's folder.
        config: the base model; with a picture's bytes it decides the result.
        codec: loads the VAE; called more than once, so cached.
        batch: pictures a call of the VAE.

    Raises:
        EmptyResultError: the data set has no picture.
    """
    store = ResultStore("latents", config.model_dump(), RESULT, code=(encoding, vae, images))
    samples.require_rows(tables.read_shards(source, tables.schema(PICTURES.field(KEY))), "latents: no picture is left")
    encoded = _encode(source, store, codec, batch)
    first = next(encoded)
    shape = latents_schema(first.schema.field("moments").type.list_size)
    parts = tables.write_shards(_chain(first, encoded), target / "parts", shape, rows=ROWS_PER_SHARD)
    error = _sheet(tables.shards(source)[0], parts[0], codec(), target / "sheet.png")
    count = sum(tables.read(part, tables.schema(shape.field(KEY))).num_rows for part in parts)
    samples.write_report(
        target / "report.json",
        count,
        count,
        shape=first.column("shape")[0].as_py(),
        megabytes=round(sum(part.stat().st_size for part in parts) / 1e6, 3),
        decoding_error=round(error, 5),
    )
    cli.say(f"latents: {count:,} pictures encoded, plain and mirrored")


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest


def _encode(source: Path, store: ResultStore, codec: Callable[[], Codec], batch: int) -> Iterator[pa.Table]:
    """Shard by shard; a shard without rows gives nothing."""
    for path in tables.shards(source):
        shard = tables.read(path, PICTURES)
        pictures = [picture["bytes"] for picture in shard.column("image").to_pylist()]
        keys = [hashlib.sha256(content).hexdigest() for content in pictures]
        if keys:
            rows = pa.table({ROW_KEY: keys, "image": pa.array(pictures, pa.binary())})
            work = Work("latents", lambda: Encoder(codec(), batch), operating.as_they_are, batch)
            operating.local(work, rows, store)
            yield to_table(shard.column(KEY).to_pylist(), store.take(keys))


def _sheet(pictures: Path, part: Path, codec: Codec, path: Path) -> float:
    """Draw the first pictures, each beside its decoding; give their mean absolute difference (0 to 1, lower better)."""
    shard = tables.read(pictures, PICTURES).slice(0, SHOWN)
    originals = [images.decode(picture["bytes"]) for picture in shard.column("image").to_pylist()]
    moments = torch.from_numpy(read_latents(part)[1][: len(originals)].astype(np.float32)).to(codec.device)
    means = moments.chunk(2, dim=1)[0]
    decoded = vae.to_pictures(codec.decode(codec.sample_latents(moments, torch.zeros_like(means))))
    pairs = [picture for pair in zip(originals, decoded, strict=True) for picture in pair]
    labels = [label for name in shard.column(KEY).to_pylist() for label in (name, "decoded from its latents")]
    with atomic_file(path) as temporary:
        images.contact_sheet(pairs, labels).save(temporary, "PNG")
    return float((vae.to_pixels(originals) - vae.to_pixels(decoded)).abs().mean() / 2)


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

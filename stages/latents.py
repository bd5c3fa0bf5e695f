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
from pipeline.operating import Runner, Work
from pipeline.params import load
from pipeline.samples import ROWS_PER_SHARD
from pipeline.tables import IMAGE, KEY, column
from pipeline.vae import Codec, DiffusionParams
from pipeline.work import ROW_KEY, ResultStore

SOURCE = Path("data/resize/parts")
TARGET = Path("data/latents")
PICTURES = tables.schema(column(KEY, pa.string(), "the sample"), column("image", IMAGE, "the square picture"))
SHARDS = 32  # whose keys are in memory together
HASHED = 100  # pictures that are in memory together while their keys are made
SHOWN = 12


def main() -> None:
    """Encode the data set with the base model in force."""
    config, compute = load(DiffusionParams, "diffusion"), load(ComputeParams, "compute")
    codec = functools.partial(_codec, config, compute)
    latents(SOURCE, TARGET, config, codec=codec, batch=compute.vae_batch, run=engine.runner(compute))


def _codec(config: DiffusionParams, compute: ComputeParams) -> Codec:
    device, dtype = engine.device(compute), getattr(torch, config.dtype)
    return vae.load_codec(config.model, config.revision, device=device, dtype=dtype)


def latents(
    source: Path,
    target: Path,
    config: DiffusionParams,
    *,
    codec: Callable[[], Codec],
    batch: int,
    run: Runner = operating.local,
) -> None:
    """Write the moments of all pictures.

    Args:
        source: shards of the data set.
        target: the stage's folder.
        config: the base model; with a picture's bytes it decides the result.
        codec: loads the VAE, once a worker and once here for the sheet; one that is loaded here is kept.
        batch: pictures a call of the VAE; they are kept together.
        run: where.

    Raises:
        EmptyResultError: the data set has no picture.
    """
    store = ResultStore("latents", config.model_dump(), RESULT, code=(encoding, vae, images))
    samples.require_rows(tables.read_shards(source, tables.schema(PICTURES.field(KEY))), "latents: no picture is left")
    build = functools.cache(functools.partial(_encoder, codec, batch))
    work = Work("latents", build, functools.partial(samples.add_images, source), batch)
    encoded = _encode(source, work, run, store)
    first = next(encoded)
    shape = latents_schema(first.schema.field("moments").type.list_size)
    parts = tables.write_shards(_chain(first, encoded), target / "parts", shape, rows=ROWS_PER_SHARD)
    error = _sheet(tables.shards(source)[0], parts[0], build().codec, target / "sheet.png")
    count = sum(tables.count(part) for part in parts)
    samples.write_report(
        target / "report.json",
        count,
        count,
        shape=first.column("shape")[0].as_py(),
        megabytes=round(sum(part.stat().st_size for part in parts) / 1e6, 3),
        decoding_error=round(error, 5),
    )
    cli.say(f"latents: {count:,} pictures encoded, plain and mirrored")


def _encoder(codec: Callable[[], Codec], batch: int) -> Encoder:
    return Encoder(codec(), batch)


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest


def _encode(source: Path, work: Work, run: Runner, store: ResultStore) -> Iterator[pa.Table]:
    """The moments of all pictures in their order."""
    shards = tables.shards(source)
    for first in range(0, len(shards), SHARDS):
        places = pa.concat_tables([_places(path) for path in shards[first : first + SHARDS]])
        run(work, places, store)
        for start in range(0, places.num_rows, ROWS_PER_SHARD):
            rows = places.slice(start, ROWS_PER_SHARD)
            yield to_table(rows.column(KEY).to_pylist(), store.take(rows.column(ROW_KEY).to_pylist()))


def _places(shard: Path) -> pa.Table:
    """Where each picture of a shard is, under the SHA-256 of its bytes: whoever encodes it reads it there."""
    names, keys = list[str](), list[str]()
    for rows in tables.read_parts(shard, PICTURES, HASHED):
        names += rows.column(KEY).to_pylist()
        keys += [hashlib.sha256(picture["bytes"]).hexdigest() for picture in rows.column("image").to_pylist()]
    columns = {KEY: names, "part": [shard.name] * len(names), ROW_KEY: keys}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


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

"""The latents of the training pictures: VAE moments of each picture plain and mirrored, kept as tables.

Encoding in each training step would cost more than the U-Net's forward pass (1.117 against 0.803 TFLOP a picture at
512 px). Mirroring must happen before the encoder, hence two sets. A latent is drawn from its moments in the step.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pipeline import tables
from pipeline.errors import InputError
from pipeline.images import decode
from pipeline.tables import KEY, column
from pipeline.vae import Codec, filled, to_pixels
from pipeline.work import ROW_KEY

Moments = npt.NDArray[np.float16]

RESULT = tables.schema(
    column("moments", pa.binary(), "float16 bytes"),
    column("moments_flipped", pa.binary(), "float16 bytes"),
    column("shape", pa.list_(pa.int32(), 3), "2 x channels, height, width"),
)


def latents_schema(values: int) -> pa.Schema:
    """The stage's table, for moments of ``values`` numbers: 2 x channels x height x width."""
    moments = pa.list_(pa.float16(), values)
    return tables.schema(
        column(KEY, pa.string(), "the sample"),
        column("moments", moments, "mean, then log variance, unscaled; channels x height x width each"),
        column("moments_flipped", moments, "the same of the picture mirrored left to right"),
        column("shape", pa.list_(pa.int32(), 3), "2 x channels, height, width"),
    )


class Encoder:
    """An operator: a table with ``key`` and ``image`` (encoded squares) in, RESULT out.

    Args:
        codec: the frozen VAE.
        batch: pictures a call of the VAE; fewer are filled up, see :func:`pipeline.vae.filled`.
    """

    def __init__(self, codec: Codec, batch: int) -> None:
        self.codec, self.batch = codec, batch

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Encode a batch of pictures of one size."""
        pixels = to_pixels([decode(content) for content in rows.column("image").to_pylist()])
        plain, flipped = self._moments(pixels), self._moments(pixels.flip(-1))
        return pa.table(
            {
                ROW_KEY: rows.column(ROW_KEY),
                "moments": pa.array([row.tobytes() for row in plain], pa.binary()),
                "moments_flipped": pa.array([row.tobytes() for row in flipped], pa.binary()),
                "shape": pa.array([plain.shape[1:]] * len(plain), RESULT.field("shape").type),
            }
        )

    def _moments(self, pixels: torch.Tensor) -> Moments:
        moments = self.codec.moments(filled(pixels, self.batch))[: len(pixels)]
        return np.ascontiguousarray(moments.to(torch.float16).cpu().numpy())


def to_table(sample_ids: Sequence[str], results: pa.Table) -> pa.Table:
    """Rows of RESULT under their samples' ids, as the stage's table."""
    plain, flipped = (_lists(results.column(name)) for name in ("moments", "moments_flipped"))
    shape = latents_schema(plain.type.list_size)
    return pa.Table.from_arrays(
        [pa.array(sample_ids, pa.string()), plain, flipped, results.column("shape").combine_chunks()], schema=shape
    )


def _lists(values: pa.ChunkedArray) -> pa.FixedSizeListArray:
    rows = values.to_pylist()
    numbers = np.frombuffer(b"".join(rows), dtype=np.float16)
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers), numbers.size // len(rows))


def read(path: Path) -> tuple[list[str], Moments, Moments]:
    """One shard: sample ids, plain moments and mirrored moments, each (samples, 2 x channels, height, width).

    Raises:
        InputError: the file is missing or not such a table.
    """
    try:
        kind = pq.read_schema(path).field("moments").type
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise InputError(f"{path} is no shard of latents: run the stage that writes it (dvc repro latents)") from error
    table = tables.read(path, latents_schema(kind.list_size))
    shape = (-1, *table.column("shape")[0].as_py())
    plain, flipped = (
        table.column(name).combine_chunks().flatten().to_numpy().reshape(shape)
        for name in ("moments", "moments_flipped")
    )
    return table.column(KEY).to_pylist(), plain, flipped

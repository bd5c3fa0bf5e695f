"""Writing one Parquet file a layer, rows coming in by the shard, and what a person wants to know of each layer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files import atomic_file, atomic_folder
from pipeline.llm import STATES, Dtype, embeddings
from pipeline.tables import KEY

OUTLIER_SHARE = 0.05  # a dimension with more than this share of a layer's energy stands out


class LayerWriter:
    """Open files of all layers; rows must come sorted by ``sample_id``."""

    def __init__(self, writers: Mapping[int, pq.ParquetWriter], schema: pa.Schema) -> None:
        self._writers = writers
        self._schema = schema

    def add(self, sample_ids: pa.ChunkedArray, vectors: pa.Table) -> None:
        """Append one shard's rows: ``vectors`` has a column ``layer_<k>`` for each layer."""
        for layer, writer in self._writers.items():
            columns = [sample_ids, vectors.column(f"layer_{layer}")]
            writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))


@contextmanager
def layer_files(
    folder: Path, layers: Sequence[int], width: int, dtype: Dtype, facts: Mapping[str, str]
) -> Iterator[LayerWriter]:
    """Give a writer for ``layer_<k>.parquet``; the folder appears whole when the block ends without an error.

    No dictionary and no compression on the numbers: they neither repeat nor shrink, and reading is three times faster.

    Args:
        folder: where the files go.
        layers: which layers, counted from 1.
        width: numbers a vector.
        dtype: of the numbers.
        facts: written into each file's metadata, with the layer.
    """
    shape = embeddings(width, dtype)
    with atomic_folder(folder) as temporary, ExitStack() as stack:
        writers = {}
        for layer in layers:
            told = shape.with_metadata({**facts, "layer": str(layer), "dtype": dtype})
            writer = pq.ParquetWriter(
                temporary / f"layer_{layer}.parquet",
                told,
                compression={KEY: "zstd"},
                use_dictionary=False,
                write_statistics=[KEY],
            )
            writers[layer] = stack.enter_context(writer)
        yield LayerWriter(writers, shape)


def write_empty_states(path: Path) -> None:
    """The index of token-level states when only pooled vectors are cached: no row (Arrow IPC)."""
    with atomic_file(path) as temporary, pa.ipc.new_file(temporary, STATES) as sink:
        sink.write_table(STATES.empty_table())


class LayerStatistics:
    """Norms and outlier dimensions of one layer, gathered shard by shard in float64."""

    def __init__(self, layer: int, width: int) -> None:
        self.layer = layer
        self._norms: list[npt.NDArray[np.float64]] = []
        self._energy = np.zeros(width)

    def add(self, vectors: pa.ChunkedArray) -> None:
        """Take in a column of vectors."""
        flat = vectors.combine_chunks().flatten().to_numpy().astype(np.float64)
        values = flat.reshape(-1, self._energy.size)  # (n, d)
        self._norms.append(np.linalg.norm(values, axis=1))
        self._energy += (values**2).sum(axis=0)

    def row(self) -> dict[str, str | int | float]:
        """Mean and standard deviation of the vectors' lengths, and the dimensions that hold much of the energy.

        In the authors' published vector of LLaMA-13B two of 5120 dimensions hold 38.5 % of the energy.
        """
        norms = np.concatenate(self._norms)
        shares = self._energy / max(self._energy.sum(), np.finfo(float).tiny)
        outliers = [int(index) for index in np.flatnonzero(shares > OUTLIER_SHARE)]
        return {
            "layer": self.layer,
            "mean_norm": float(f"{norms.mean():.5g}"),
            "std_norm": float(f"{norms.std():.5g}"),
            "outlier_share": round(float(shares[outliers].sum()), 4),
            "outlier_dimensions": " ".join(map(str, outliers)),
        }

"""The LLM's layers to look at: how long the pooled vectors are, and how much of them lies in a few dimensions."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import cli
from pipeline.errors import InputError
from pipeline.plots import BLUE, GREEN, GREY, ORANGE, figure

Floats = npt.NDArray[np.float64]
GROUPS = 8
"""Row groups of a layer's file that are looked at, evenly spaced: a large data set's layers are gigabytes each."""
TOP = (1, 2, 5, 10)
"""Shares of energy are told for so many of a layer's strongest dimensions."""
HEAD = ("layer", "mean length", "std", "std/mean", "top 1", "top 10", "outlier dimensions (share)")


@dataclass(frozen=True)
class Layer:
    """What is seen of one layer."""

    number: int
    lengths: Floats
    """5th, 50th and 95th percentile of the vectors' lengths."""
    shares: Floats
    """Shares of energy in the strongest dimensions, (len(TOP),)."""
    vectors: int


def draw(data: Path, target: Path) -> tuple[list[str], list[Path]]:
    """Write ``lengths.png`` and ``dimensions.png``; gives a table of all layers as lines, and the paths.

    Args:
        data: the folder of all stages' outputs.
        target: the folder that the pictures are written into.

    Raises:
        InputError: the stage has not run.
    """
    told = _table(data / "embed" / "layers.csv")
    files = [data / "embed" / "layers" / f"layer_{row['layer']}.parquet" for row in told]
    seen = [_look(path, int(row["layer"])) for path, row in zip(cli.progress(files, "layers"), told, strict=True)]
    _draw_lengths(seen, target / "lengths.png")
    _draw_dimensions(seen, told, target / "dimensions.png")
    return list(_lines(told, seen)), [target / "lengths.png", target / "dimensions.png"]


def _table(path: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run dvc repro embed") from error


def _look(path: Path, number: int) -> Layer:
    try:
        with pq.ParquetFile(path) as source:
            groups = np.linspace(0, source.num_row_groups - 1, min(GROUPS, source.num_row_groups)).round().astype(int)
            vectors = _numbers(source.read_row_groups(groups.tolist(), columns=["embedding"]))
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise InputError(f"{path} is missing or no Parquet file: run dvc repro embed") from error
    energy = np.sort((vectors**2).sum(axis=0))[::-1]
    shares = energy.cumsum()[np.minimum(TOP, len(energy)) - 1] / max(energy.sum(), np.finfo(float).tiny)
    return Layer(number, np.percentile(np.linalg.norm(vectors, axis=1), (5, 50, 95)), shares, len(vectors))


def _numbers(table: pa.Table) -> Floats:
    column = table.column("embedding").combine_chunks()
    numbers: Floats = column.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return numbers.reshape(len(column), -1)


def _lines(told: Sequence[dict[str, str]], seen: Sequence[Layer]) -> Iterator[str]:
    """One line a layer; lengths and outliers are of all vectors, the rest of those that were looked at."""
    layout = "{:>5}  {:>11}  {:>8}  {:>8}  {:>6}  {:>6}  {}"
    yield layout.format(*HEAD)
    for row, layer in zip(told, seen, strict=True):
        mean, spread = float(row["mean_norm"]), float(row["std_norm"])
        outliers = f"{row['outlier_dimensions']} ({float(row['outlier_share']):.1%})"
        yield layout.format(
            row["layer"],
            f"{mean:.4g}",
            f"{spread:.3g}",
            f"{spread / mean:.1%}" if mean else "-",
            f"{layer.shares[0]:.1%}",
            f"{layer.shares[-1]:.1%}",
            outliers if row["outlier_dimensions"] else "none",
        )


def _draw_lengths(seen: Sequence[Layer], path: Path) -> None:
    numbers = [layer.number for layer in seen]
    low, middle, high = np.stack([layer.lengths for layer in seen], axis=1)
    with figure(path, 6.4, 4.0) as axes:
        axes.fill_between(numbers, low, high, color=BLUE, alpha=0.2, linewidth=0, label="5 to 95 % of the vectors")
        axes.plot(numbers, middle, "o-", ms=3, c=BLUE, label="median")
        axes.set(xlabel="layer", ylabel="length of a prompt's vector", yscale="log")
        axes.set_title(f"How long the vectors are, by layer ({seen[0].vectors:,} prompts)")
        axes.legend()


def _draw_dimensions(seen: Sequence[Layer], told: Sequence[dict[str, str]], path: Path) -> None:
    """Shares of the strongest dimensions, and under them which dimensions stand out in which layer."""
    numbers = [layer.number for layer in seen]
    with figure(path, 6.4, 4.4) as axes:
        for place, (count, colour) in enumerate(zip(TOP, (ORANGE, GREEN, GREY, BLUE), strict=True)):
            label = f"strongest {count}" if count > 1 else "strongest dimension"
            axes.plot(numbers, [100 * layer.shares[place] for layer in seen], "o-", ms=3, c=colour, label=label)
        axes.set(xlabel="layer", ylabel="per cent of the energy", ylim=(0, 100))
        names = sorted({name for row in told for name in row["outlier_dimensions"].split()}, key=int)
        standing = f"outliers: dimension {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}" if names else ""
        axes.set_title(f"Energy in a layer's strongest dimensions{chr(10) + standing if standing else ''}")
        axes.legend(ncols=2)

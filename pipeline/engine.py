"""Running a model stage: an operator over Arrow tables, built once a worker, its results kept in a work store."""

from collections.abc import Callable, Sequence
from typing import Literal

import pyarrow as pa
from pydantic import Field

from pipeline import cli
from pipeline.params import Section
from pipeline.work import ROW_KEY, ResultStore

Operator = Callable[[pa.Table], pa.Table]


class ComputeParams(Section):
    """Section ``compute`` of params.yaml: never changes results, so no stage lists it."""

    engine: Literal["local"]
    device: str = Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    threads: int = Field(ge=1)
    download_workers: int = Field(ge=1, le=64)
    """Connections to one picture host at a time; each host has its own."""
    caption_batch: int = Field(ge=1)
    clip_batch: int = Field(ge=1)
    llm_batch: int = Field(ge=1)
    vae_batch: int = Field(ge=1)
    sample_batch: int = Field(ge=1)
    micro_batch: int = Field(ge=1)
    """Training samples that one process runs at a time; the rest of a global batch follows, the last time fewer."""


def device(config: ComputeParams) -> str:
    """The torch device to use, after setting torch's thread count; ``auto`` takes a GPU where there is one."""
    import torch

    torch.set_num_threads(config.threads)
    if config.device != "auto":
        return config.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def run(
    build: Callable[[], Operator],
    load: Callable[[Sequence[str]], pa.Table],
    keys: Sequence[str],
    store: ResultStore,
    *,
    batch: int,
    label: str,
) -> pa.Table:
    """Compute what the store lacks, batch by batch, and give all rows in the order of ``keys``.

    Args:
        build: makes the operator (loads weights); called only when there is work.
        load: reads the input rows of some keys, in their order, with a column ``key``.
        keys: what is wanted; a key names the content that its row is made from.
        store: where finished rows are kept; a killed run goes on after its last batch.
        batch: rows a call.
        label: of the progress bar.
    """
    with store.locked():
        waiting = store.missing(keys)
        if waiting:
            operator = build()
            with cli.progress(range(0, len(waiting), batch), label, unit="batch") as starts:
                for start in starts:
                    store.add(operator(load(waiting[start : start + batch])))
    return store.take(keys)


def in_full(operator: Operator, batch: int) -> Operator:
    """The operator, always called with exactly ``batch`` rows, the last one repeated.

    Matrix products round by their size: a short batch would give a row other last bits than a full one, and bytes would
    depend on what a killed run left to do.
    """

    def filled(rows: pa.Table) -> pa.Table:
        fill = [rows.num_rows - 1] * (batch - rows.num_rows)
        return operator(rows.take([*range(rows.num_rows), *fill])).slice(0, rows.num_rows)

    return filled


__all__ = ["ROW_KEY", "ComputeParams", "Operator", "device", "in_full", "run"]

"""Stage ``embed``: cache the mean-pooled LLM vector of every simple prompt, for all requested layers in one pass.

Reads     data/resize/parts                       samples.SURD, prompts only
Writes    data/embed/layers/layer_<k>.parquet     llm.embeddings, sorted by sample_id
          data/embed/states/index.arrow           llm.STATES, no row while llm.states is pooled
          data/embed/report.json
          data/embed/layers.csv                   lengths and outlier dimensions by layer
          data/embed/norms.png                    the same as a chart
Params    llm without llm.layer: another layer of the cache needs no pass
"""

import csv
import io
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import cli, engine, layer_encoder, llm, operating, samples, tables
from pipeline.engine import ComputeParams
from pipeline.errors import ModelError
from pipeline.files import write_text
from pipeline.layer_encoder import load_encoder, result
from pipeline.layer_files import LayerStatistics, layer_files, write_empty_states
from pipeline.llm import LlmParams, LlmShape, check_layers, requested, shape
from pipeline.operating import Operator, Runner, Work
from pipeline.params import load
from pipeline.plots import BLUE, ORANGE, figure
from pipeline.tables import KEY, column
from pipeline.work import ROW_KEY, ResultStore

SURD_PARTS = Path("data/resize/parts")
TARGET = Path("data/embed")

PROMPTS = tables.schema(column(KEY, pa.string(), ""), column("simple_prompt", pa.string(), ""))
BATCHES_A_CHUNK = 4  # passes between two writes to the work store: a kill costs no more than these


def main() -> None:
    """Embed the data set's simple prompts with the settings in force."""
    config, compute = load(LlmParams, "llm"), load(ComputeParams, "compute")
    sizes = shape(config.model, config.revision)
    if sizes is None:
        raise ModelError(f"model {config.model} cannot be reached: fetch it first, or name a folder as llm.model")
    check_layers(config, sizes.layers)
    layers, batch = requested(config, sizes.layers), compute.llm_batch
    embed(
        SURD_PARTS,
        TARGET,
        config,
        sizes,
        build=lambda: load_encoder(config, layers, device=engine.device(compute), batch=batch),
        unit=batch * BATCHES_A_CHUNK,
        run=engine.runner(compute),
    )


def embed(
    source: Path,
    target: Path,
    config: LlmParams,
    sizes: LlmShape,
    *,
    build: Callable[[], Operator],
    unit: int,
    run: Runner = operating.local,
) -> None:
    """Write a file of vectors for each layer; finished prompts are kept in the work store by their text.

    Args:
        source: the data set's shards.
        target: the stage's folder.
        config: decides the results, with the prompt.
        sizes: layers and width of the LLM.
        build: makes the operator that embeds; called once, and only when there is work.
        unit: prompts that are embedded and kept together.
        run: where.
    """
    layers = requested(config, sizes.layers)
    decisive = config.model_dump(exclude={"layer", "layers"}) | {"layers": layers}
    store = ResultStore("embed", decisive, result(layers, sizes.width, config.store_dtype), code=(layer_encoder, llm))
    figures = [LayerStatistics(layer, sizes.width) for layer in layers]
    work = Work("embed", cache(build), operating.as_they_are, unit)
    prompts, tokens = list[str](), 0
    with layer_files(target / "layers", layers, sizes.width, config.store_dtype, _facts(config)) as files:
        for shard in tables.shards(source):
            rows = tables.read(shard, PROMPTS)
            texts = rows.column("simple_prompt").to_pylist()
            vectors = _by_length(work, texts, store, run)
            files.add(rows.column(KEY), vectors)
            for layer in figures:
                layer.add(vectors.column(f"layer_{layer.layer}"))
            prompts += texts
            tokens += sum(vectors.column("tokens").to_pylist())
    _tell(target, [layer.row() for layer in figures])
    counts: dict[str, Any] = {
        "distinct_prompts": len(set(prompts)),
        "layers": len(layers),
        "width": sizes.width,
        "tokens": tokens,
    }
    samples.write_report(target / "report.json", len(prompts), len(prompts), **counts)
    cli.say(f"embed: {len(prompts):,} prompts, {len(layers)} layers of width {sizes.width:,}")


def _by_length(work: Work, prompts: Sequence[str], store: ResultStore, run: Runner) -> pa.Table:
    """The vectors in the prompts' order; computed sorted by length, so that passes are full."""
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row].split()), prompts[row]))
    run(work, pa.table({ROW_KEY: [prompts[row] for row in order]}), store)
    return store.take(prompts)


def _facts(config: LlmParams) -> dict[str, str]:
    """What a layer's file says of how it was made."""
    return {
        "llm": config.model,
        "revision": config.revision,
        "final_norm": str(config.final_norm).lower(),
        "pooling": "mean_with_bos" if config.pool_bos else "mean",
        "computed_in": config.dtype,
    }


def _tell(target: Path, rows: Sequence[dict[str, str | int | float]]) -> None:
    write_empty_states(target / "states" / "index.arrow")
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(target / "layers.csv", stream.getvalue())
    numbers = [row["layer"] for row in rows]
    with figure(target / "norms.png", 6.4, 3.6) as axes:
        axes.plot(numbers, [row["mean_norm"] for row in rows], "o-", ms=3, c=BLUE, label="mean length of a vector")
        axes.plot([], [], "s--", ms=3, c=ORANGE, label="energy in outlier dimensions (right)")
        axes.set(xlabel="layer", ylabel="length", title="The LLM's pooled vectors by layer")
        share = axes.twinx()
        share.plot(numbers, [row["outlier_share"] for row in rows], "s--", ms=3, c=ORANGE)
        share.set(ylabel="energy in outlier dimensions", ylim=(-0.02, 1.02))
        share.grid(visible=False)
        axes.legend()


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

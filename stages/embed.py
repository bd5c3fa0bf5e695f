"""Stage ``embed``: cache the mean-pooled LLM vector of every simple prompt, for all requested layers in one pass.

Reads     data/resize/parts                       samples.SURD, prompts only
Writes    data/embed/layers/layer_<k>.parquet     llm.embeddings, sorted by sample_id
          data/embed/states/index.arrow           llm.STATES, no row while llm.states is pooled
          data/embed/states/part-<n>.arrow        states of the prompts' tokens (llm.states tokens or blocks)
          data/embed/states/alone.arrow           states of each token that was fed alone (llm.states blocks)
          data/embed/report.json
          data/embed/layers.csv                   lengths and outlier dimensions by layer
          data/embed/norms.png                    the same as a chart
Params    llm without llm.layer: another layer of the cache needs no pass
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import cli, decoder, engine, layer_encoder, layer_figures, llm_loading, operating, prompt_tokens, samples
from pipeline.engine import ComputeParams
from pipeline.errors import ModelError
from pipeline.layer_encoder import load_encoder, result
from pipeline.layer_figures import LayerStatistics
from pipeline.layer_files import LayerWriter, layer_files
from pipeline.layer_store import Layers, LayerStore
from pipeline.llm import LlmParams, LlmShape, check_layers, facts, requested, shape, states_layer
from pipeline.llm_loading import load_tokens
from pipeline.operating import Operator, Runner, Store, Work
from pipeline.params import load
from pipeline.prompt_tokens import PromptTokens
from pipeline.prompt_windows import Lengths, Window, compute, windows
from pipeline.state_files import write_empty_states
from pipeline.state_packing import write_states
from pipeline.tables import KEY
from pipeline.token_states import Fed, load_states

SURD_PARTS = Path("data/resize/parts")
TARGET = Path("data/embed")

BATCHES_A_CHUNK = 4  # passes between two writes to the work store: a kill costs no more than these
TAKEN_BYTES = 16 * 2**20  # of vectors that are read from the work store at a time, at least one layer of a window
VALUE_BYTES = 4  # of a number at most
CODE = (layer_encoder, decoder, llm_loading, prompt_tokens)


@dataclass(frozen=True)
class Llm:
    """How the LLM is made: its operators in a worker, its tokenizer here; each only where it is needed."""

    layers: Callable[[Layers], Operator]
    states: Callable[[Fed], Operator]
    tokens: Callable[[], PromptTokens]


def main() -> None:
    """Embed the data set's simple prompts with the settings in force."""
    config, compute = load(LlmParams, "llm"), load(ComputeParams, "compute")
    sizes = shape(config.model, config.revision)
    if sizes is None:
        raise ModelError(f"model {config.model} cannot be reached: fetch it first, or name a folder as llm.model")
    check_layers(config, sizes.layers)
    llm = Llm(
        layers=partial(_encoder, config, compute),
        states=partial(_states, config, compute, states_layer(config, sizes.layers)),
        tokens=cache(partial(load_tokens, config)),
    )
    unit = engine.unit(compute.llm_batch) * BATCHES_A_CHUNK
    embed(SURD_PARTS, TARGET, config, sizes, llm=llm, unit=unit, run=engine.runner(compute))


def _encoder(config: LlmParams, compute: ComputeParams, layers: Layers) -> Operator:
    where, spread = engine.device(compute), compute.llm_device_map
    return load_encoder(config, layers, device=where, batch=compute.llm_batch, device_map=spread)


def _states(config: LlmParams, compute: ComputeParams, layer: int, fed: Fed) -> Operator:
    where, spread = engine.device(compute), compute.llm_device_map
    return load_states(config, layer, fed, device=where, batch=compute.llm_batch, device_map=spread)


def embed(
    source: Path,
    target: Path,
    config: LlmParams,
    sizes: LlmShape,
    *,
    llm: Llm,
    unit: int,
    run: Runner = operating.local,
) -> None:
    """Write a file of vectors for each layer, and token states where they are asked for.

    Finished prompts are kept in the work store by their text.

    Args:
        source: the data set's shards.
        target: the stage's folder.
        config: decides the results, with the prompt.
        sizes: layers and width of the LLM.
        llm: makes what embeds; called only when there is work.
        unit: prompts that are embedded and kept together.
        run: where.
    """
    layers = requested(config, sizes.layers)
    settings = config.model_dump(exclude={"layer", "layers", "states", "states_layer"})
    columns = partial(result, width=sizes.width, dtype=config.store_dtype)
    store = LayerStore(settings, columns, code=CODE)
    for work, rest in _works(source, store, layers, llm, unit):
        compute(work, source, rest, _lengths(llm), run)
    figures = {layer: LayerStatistics(layer, sizes.width) for layer in layers}
    with layer_files(target / "layers", layers, sizes.width, config.store_dtype, facts(config)) as files:
        counts = [_pack(window, store, files, figures, sizes.width) for window in windows(source)]
    if config.states == "pooled":
        write_empty_states(target / "states")
    else:
        states = target / "states"
        write_states(source, states, config, sizes, build=llm.states, tokens=llm.tokens(), unit=unit, run=run)
    rows = [figure.row() for figure in figures.values()]
    layer_figures.write_table(target / "layers.csv", rows)
    layer_figures.draw(target / "norms.png", rows)
    _report(target / "report.json", counts, layers, sizes.width)


def _works(source: Path, store: LayerStore, layers: Layers, llm: Llm, unit: int) -> Iterator[tuple[Work, Store]]:
    """What is to do: the operator is built for the layers that are missing, and for no other.

    Asked again after each round: while this process waited, another one may have written some of the layers, and
    prompts that lack the others alone are another round's.
    """
    while lacking := {some for window in windows(source) for some in store.lacking(window.distinct, layers).values()}:
        for some in sorted(lacking):  # several only where prompts were added and layers too
            work = Work("embed", partial(llm.layers, some), operating.as_they_are, unit)
            yield work, store.only(some, layers)


def _lengths(llm: Llm) -> Lengths:
    return lambda prompts: [len(read) for read in llm.tokens().ids(prompts)]


@dataclass(frozen=True)
class Counts:
    """Of a window."""

    prompts: int
    tokens: int
    distinct: npt.NDArray[np.uint64]
    """Digests: 100,000 prompts as text would weigh ten megabytes."""


def _pack(
    window: Window, store: LayerStore, files: LayerWriter, figures: Mapping[int, LayerStatistics], width: int
) -> Counts:
    """Append a window's rows to all files, a few layers in memory at a time."""
    tokens = 0
    for some in _few(list(figures), len(window.prompts) * width * VALUE_BYTES):
        found = store.take(window.prompts, some)
        tokens = sum(found.column("tokens").to_pylist())
        for layer in some:
            vectors, start = found.column(f"layer_{layer}"), 0
            figures[layer].add(vectors)
            for shard in window.shards:
                files.add(layer, shard.column(KEY), vectors.slice(start, shard.num_rows))
                start += shard.num_rows
    digests = b"".join(blake2b(prompt.encode(), digest_size=8).digest() for prompt in window.distinct)
    return Counts(len(window.prompts), tokens, np.frombuffer(digests, np.uint64))


def _few(layers: Sequence[int], layer_bytes: int) -> Iterator[Layers]:
    count = max(1, TAKEN_BYTES // max(1, layer_bytes))
    return (tuple(layers[start : start + count]) for start in range(0, len(layers), count))


def _report(path: Path, counts: Sequence[Counts], layers: Layers, width: int) -> None:
    rows = sum(window.prompts for window in counts)
    samples.write_report(
        path,
        rows,
        rows,
        distinct_prompts=len(np.unique(np.concatenate([window.distinct for window in counts]))),
        layers=len(layers),
        width=width,
        tokens=sum(window.tokens for window in counts),
    )
    cli.say(f"embed: {rows:,} prompts, {len(layers)} layers of width {width:,}")


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

"""Embedding: 5 layers against one, batches against single prompts, a sweep, 100,000 prompts against 10,000.

The miniature's LLM on the CPU, one thread. Times are compared in turn in one process; the figures are medians of the
rounds' ratios. Memory is the peak of a process of its own, which runs the stage; its prompts are numbers in words, all
different. The goals are those of the issue that asked for them.

    python -m bench.embedding [fewer] [more]
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # libraries are imported in the children alone: a child's peak counts from its parent's size
    from pipeline.layer_encoder import LayerEncoder

ROOT = Path(__file__).parents[1]
SIZES = (10_000, 100_000)
COUNT, ROUNDS, BATCH = 256, 5, 64
SPREAD, DEEPEST = (8, 16, 24, 32, 40), 40
SHARD_ROWS = 1000
LAYERS_GOAL, SINGLE_GOAL, MEMORY_GOAL = 1.1, 4.0, 1.2


def prompts(count: int, first: int = 0) -> list[str]:
    """Made-up prompts of 6 to 11 words: a number in words, so that all differ, and some more of them."""
    words = ["red", "blue", "green", "circle", "square", "star", "person", "three", "two", "jumping"]
    spelled = (f"{number:06d}{'1' * (number % 6)}" for number in range(first, first + count))
    return [" ".join(words[int(digit)] for digit in digits) for digits in spelled]


def encoder(layers: tuple[int, ...]) -> "LayerEncoder":
    """The miniature's LLM for these layers."""
    from pipeline.layer_encoder import load_encoder
    from pipeline.llm import LlmParams
    from pipeline.params import load

    return load_encoder(load(LlmParams, "llm", ROOT / "params.yaml"), layers, device="cpu", batch=BATCH)


def seconds(action: Callable[[], object]) -> float:
    """Processor seconds of one call: others may be at work on the machine."""
    started = time.process_time()
    action()
    return time.process_time() - started


def ratio(one: Callable[[], object], other: Callable[[], object]) -> float:
    """Median over rounds of how many times as long the one takes, timed in turn."""
    one(), other()
    return median(seconds(one) / seconds(other) for _ in range(ROUNDS))


def passes() -> dict[str, float]:
    """Several layers against one, and batches against single prompts."""
    import torch

    torch.set_num_threads(1)
    texts, several, one = prompts(COUNT), encoder(SPREAD), encoder((DEEPEST,))
    every = encoder(tuple(range(1, DEEPEST + 1)))
    return {
        "five_layers_over_deepest": ratio(lambda: several.encode(texts), lambda: one.encode(texts)),
        "all_layers_over_deepest": ratio(lambda: every.encode(texts), lambda: one.encode(texts)),
        "single_over_batches": ratio(lambda: [several.encode([text]) for text in texts], lambda: several.encode(texts)),
    }


def pack(count: int, folder: Path, first: int = 0) -> None:
    """The data set's shards, prompts only."""
    from pipeline import tables
    from pipeline.prompt_windows import PROMPTS

    texts = prompts(count, first)
    rows = ({"sample_id": f"x:{number:07d}", "simple_prompt": text} for number, text in enumerate(texts))
    tables.write_shards([tables.from_rows(rows, PROMPTS)], folder, PROMPTS, rows=SHARD_ROWS)


def embed(layers: str = "all", layer: int = DEEPEST) -> None:
    """The stage in the current folder with the miniature's settings but other layers."""
    from ruamel.yaml import YAML

    from stages.embed import main as stage

    yaml = YAML(typ="safe")
    settings = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    listed = "all" if layers == "all" else [int(part) for part in layers.split(",")]
    settings["llm"] |= {"model": str(ROOT / settings["llm"]["model"]), "layers": listed, "layer": layer}
    settings["compute"] |= {"device": "cpu", "threads": 1, "llm_batch": BATCH}
    with Path("params.yaml").open("w", encoding="utf-8") as stream:
        yaml.dump({"llm": settings["llm"], "compute": settings["compute"]}, stream)
    stage()


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Processor seconds and peak memory in MB of one step in a process of its own.

    Raises:
        SystemExit: the step failed.
    """
    command = [sys.executable, "-m", "bench.embedding", "--step", *arguments]
    places = {"SUR_WORK": str(folder / "work"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    places |= {"TOKENIZERS_PARALLELISM": "false"}
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **places})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def sizes(fewer: int, more: int, folder: Path) -> dict[str, float]:
    """The stage over few and many prompts; then, over few, one percent of new ones, and a sweep over cached layers."""
    found: dict[str, float] = {}
    for count in (fewer, more):
        place = folder / str(count)
        place.mkdir()
        run(place, "pack", str(count))
        spent, peak = run(place, "embed", "all")
        print(f"{count:,} prompts: {spent:.0f} s of processor time, peak {peak:.0f} MB", flush=True)
        found[f"cpu_s_{count}"], found[f"peak_mb_{count}"] = spent, peak
    found["memory_growth"] = found[f"peak_mb_{more}"] / found[f"peak_mb_{fewer}"]
    place = folder / str(fewer)
    found["cpu_s_sweep_over_five_cached"], _ = run(place, "sweep", ",".join(map(str, SPREAD)))
    run(place, "pack", str(fewer), str(fewer // 100))
    found["cpu_s_one_percent_new"], _ = run(place, "embed", "all")
    found["one_percent_new_over_all"] = found["cpu_s_one_percent_new"] / found[f"cpu_s_{fewer}"]
    return found


def sweep(layers: str) -> None:
    """The stage for each of some cached layers in turn: no pass, or the step fails."""
    from pipeline.decoder import Decoder

    def refuse(*_: object) -> None:
        raise AssertionError("a layer was not cached")

    Decoder.run = refuse  # type: ignore[method-assign]
    for layer in map(int, layers.split(",")):
        embed(layers, layer)


def main(fewer: int, more: int) -> None:
    """Measure everything, print it beside its goals, and keep it."""
    with tempfile.TemporaryDirectory() as name:
        found = sizes(fewer, more, Path(name))
    found |= passes()
    goals = {
        "five_layers_over_deepest": f"at most {LAYERS_GOAL}",
        "single_over_batches": f"at least {SINGLE_GOAL}",
        "memory_growth": f"at most {MEMORY_GOAL}",
    }
    for key, value in found.items():
        print(f"{key:32}{value:10.2f}   {goals.get(key, '')}")
    from bench import results

    print(results.save("embedding", {key: round(value, 3) for key, value in found.items()}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--step", "pack", count, *first]:
            pack(int(count), Path("data/resize/parts"), int(first[0]) if first else 0)
        case ["--step", "embed", layers]:
            embed(layers)
        case ["--step", "sweep", layers]:
            sweep(layers)
        case []:
            main(*SIZES)
        case [fewer, more]:
            main(int(fewer), int(more))
        case _:
            raise SystemExit("python -m bench.embedding [fewer] [more]")

"""Embedding against one prompt at a time, and all LLM layers against the deepest alone (miniature, CPU).

Both sides run in turn in one process on one thread; the figures are medians of seconds and their ratios.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from miniature.language import simple_prompt
from miniature.world import sample_scene
from pipeline.layer_encoder import load_encoder
from pipeline.llm import LlmParams
from pipeline.params import load

COUNT = 128
ROUNDS = 3


def seconds(action: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def compare(title: str, slow: Callable[[], object], quick: Callable[[], object]) -> None:
    """Time two ways in turn and print the ratio of their medians."""
    pairs = [(seconds(slow), seconds(quick)) for _ in range(ROUNDS)]
    first, second = (median(side) for side in zip(*pairs, strict=True))
    print(f"{title:58}{first:8.2f} s{second:8.2f} s   ratio {first / second:5.2f}")


def main() -> None:
    """Run all comparisons."""
    torch.set_num_threads(1)
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(COUNT)]
    prompts = [simple_prompt(scene, rng) for scene in scenes]
    config = load(LlmParams, "llm", Path("params.yaml"))
    every = load_encoder(config, range(1, 41), device="cpu", batch=64)
    deepest = load_encoder(config, [40], device="cpu", batch=64)
    compare(
        f"embed {COUNT} prompts: one at a time / all together",
        lambda: [every.encode([prompt]) for prompt in prompts],
        lambda: every.encode(prompts),
    )
    compare(
        f"embed {COUNT} prompts: all 40 layers / layer 40 alone",
        lambda: every.encode(prompts),
        lambda: deepest.encode(prompts),
    )


if __name__ == "__main__":
    main()

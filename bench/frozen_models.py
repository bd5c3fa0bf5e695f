"""Captioning against one picture at a time (miniature, CPU); bench.embedding has the LLM.

Both sides run in turn in one process on one thread; the figures are medians of seconds and their ratios.
"""

import random
import time
from collections.abc import Callable
from statistics import median

import torch

from miniature.world import draw, sample_scene
from pipeline.captioning import BlipParams, Captioner
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
    """Run the comparison."""
    torch.set_num_threads(1)
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(COUNT)]
    pictures = [draw(scene, index) for index, scene in enumerate(scenes)]
    captioner = Captioner(load(BlipParams, "blip"), "cpu")
    compare(
        f"caption {COUNT} pictures: one at a time / batches of 64",
        lambda: [captioner.captions([picture]) for picture in pictures],
        lambda: [captioner.captions(pictures[start : start + 64]) for start in range(0, COUNT, 64)],
    )


if __name__ == "__main__":
    main()

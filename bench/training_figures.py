"""What bench.training measures of each way, what follows from it, and what was to be reached."""

import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.scale.assumptions import card_named

Way = Callable[[], object]
Measured = Mapping[str, Mapping[str, float]]
"""By way: median seconds and processor_seconds, flops, and peak_bytes where a GPU has them."""
Goals = Mapping[str, tuple[str, float]]
"""By figure: ``>=`` or ``<=``, and what was to be reached."""

ON_CPU: Goals = {
    "share_of_flop_ratio": (">=", 0.9),
    "first_step_s": ("<=", 20.0),
    "loading_share_of_step": ("<=", 0.05),
}
"""With the miniature."""
ON_GPU: Goals = {
    "ratio_reached": (">=", 1.3),
    "peak_memory_ratio": ("<=", 1.0),
    "share_of_bare_rate": (">=", 0.85),
    "checkpointing_memory_to_authors": ("<=", 0.7),
    "loading_share_of_step": ("<=", 0.05),
}
"""With Stable Diffusion 1.5's shape at 512 px, batch 16, bf16."""


def measure(ways: Mapping[str, Way], rounds: int, device: str) -> dict[str, dict[str, float]]:
    """Each way's figures over some rounds, the ways in turn; the run that counts FLOP is the warm-up."""
    found: dict[str, dict[str, float]] = {}
    for name, way in ways.items():
        with FlopCounterMode(display=False) as counter:
            way()
        found[name] = {"flops": float(counter.get_total_flops())}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            runs[name].append(once(way, device))
    for name, measured in runs.items():
        found[name] |= {figure: median(run[figure] for run in measured) for figure in measured[0]}
    return found


def once(way: Way, device: str) -> dict[str, float]:
    """One run: wall and processor seconds, and on a GPU the most bytes that were allocated."""
    gpu = device.startswith("cuda")
    if gpu:
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    wall, processor = time.perf_counter(), time.process_time()
    way()
    if gpu:
        torch.cuda.synchronize()
    spent = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    return spent | ({"peak_bytes": float(torch.cuda.max_memory_allocated())} if gpu else {})


def clock(found: Measured) -> str:
    """What time is compared by: a GPU's is the wall's; a CPU is busy with other work too and tells its own."""
    return "seconds" if "peak_bytes" in found["ours"] else "processor_seconds"


def figures(found: Measured, count: int, peak_flop_s: float | None) -> dict[str, float]:
    """Rates, ratios and what share of the possible they are.

    Args:
        found: the ways ours, authors and bare.
        count: images a step.
        peak_flop_s: of the card in the number format in use; None where it is not known.
    """
    ours, authors, bare = (found[name] for name in ("ours", "authors", "bare"))
    by = clock(found)
    possible, reached = authors["flops"] / ours["flops"], authors[by] / ours[by]
    told = {f"{name}_images_a_s": count / found[name]["seconds"] for name in ("ours", "authors", "bare")}
    told |= {
        "ratio_by_flops": possible,
        "ratio_reached": reached,
        "share_of_flop_ratio": reached / possible,
        "share_of_bare_rate": bare[by] / ours[by],
        "step_tflop": ours["flops"] / 1e12,
    }
    if "peak_bytes" in ours:
        told |= {f"{name}_peak_mb": found[name]["peak_bytes"] / 1e6 for name in ("ours", "authors", "bare")}
        told["peak_memory_ratio"] = ours["peak_bytes"] / authors["peak_bytes"]
    if peak_flop_s is not None:
        told["share_of_card_peak"] = ours["flops"] / ours["seconds"] / peak_flop_s
    return told


def with_checkpointing(found: Measured, again: Mapping[str, float], count: int) -> dict[str, float]:
    """Our step with gradient checkpointing: its rate, and time and memory over those without.

    Args:
        found: the ways without it.
        again: our way with it.
        count: images a step.
    """
    ours, by = found["ours"], clock(found)
    told = {
        "checkpointing_images_a_s": count / again["seconds"],
        "checkpointing_time_ratio": again[by] / ours[by],
        "checkpointing_time_to_authors": again[by] / found["authors"][by],
    }
    if "peak_bytes" in again:
        told["checkpointing_peak_mb"] = again["peak_bytes"] / 1e6
        told["checkpointing_memory_ratio"] = again["peak_bytes"] / ours["peak_bytes"]
        told["checkpointing_memory_to_authors"] = again["peak_bytes"] / found["authors"]["peak_bytes"]
    return told


def card_peak(device: str, dtype: str) -> float | None:
    """FLOP/s that the card's vendor promises in this number format; None for a CPU or an unknown card."""
    card = card_named(torch.cuda.get_device_name(device)) if device.startswith("cuda") else None
    if card is None:
        return None
    return card.plain_flop_s if dtype == "fp32" else card.peak_flop_s


def verdicts(told: Mapping[str, float], goals: Goals) -> Iterator[str]:
    """A line for each goal: what was to be reached, and whether it was."""
    for name, (sign, goal) in goals.items():
        value = told.get(name)
        if value is None:
            yield f"goal: {name} {sign} {goal:g}: not measured"
            continue
        good = value >= goal if sign == ">=" else value <= goal
        yield f"goal: {name} {sign} {goal:g}: {value:.3f}, {'reached' if good else 'MISSED'}"

"""BLIP base, CLIP ViT-B/32, LLaMA-7B and 13B in their real shapes with random weights through our operators, on a GPU.

For each: items a second in batches and one at a time, the share of the card's peak (counted FLOP / time / peak), peak
memory of the card, and the largest batch that ``auto`` found. Weights are saved as folders in a temporary directory
(13B: 26 GB), since the operators load folders; texts are words of a vocabulary as large as the real one. With
``--tiny`` the same code runs small shapes on the CPU and keeps no figures.

    python -m bench.real_shapes [--tiny]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from bench import results
from bench.operator_inputs import Shapes, picture_rows, prompt_rows, real, tiny
from bench.random_models import Named, blip_folder, clip_folder, llama_folder
from bench.scale import counting
from bench.scale.architectures import LlamaShape
from bench.scale.assumptions import card_named
from bench.scale.counting import CAPTION_TOKENS, PAPER, PREFIX_TOKENS
from pipeline import cli, clip_score
from pipeline.captioning import BlipParams, Captioner
from pipeline.clip_rule import ClipParams
from pipeline.clip_score import PictureEncoder, PromptScorer
from pipeline.layer_encoder import load_encoder
from pipeline.llm import LlmParams
from pipeline.operating import Asked, Batches, BatchSize, Operator
from pipeline.params import load

GB = 1e9


# The calls into the pipeline, all of them here.


def captioner(named: Named, device: str) -> Operator:
    """BLIP as the paper's profile has it; captions all have the length that the FLOP are counted for."""
    length = PREFIX_TOKENS + CAPTION_TOKENS
    changed = {"model": named[0], "revision": named[1], "min_length": length, "max_length": length}
    return Captioner(load(BlipParams, "blip", PAPER).model_copy(update=changed), device)


class Scorer:
    """CLIP's two operators as one: the picture's features, then both prompts against them."""

    def __init__(self, named: Named, device: str) -> None:
        changed = {"model": named[0], "revision": named[1]}
        clip = clip_score.load(load(ClipParams, "clip", PAPER).model_copy(update=changed), device)
        self._pictures, self._prompts = PictureEncoder(clip), PromptScorer(clip)

    def prepare(self, rows: pa.Table) -> pa.Table:
        """Pixels beside both prompts."""
        pixels = self._pictures.prepare(rows).column("pixels")
        return rows.drop_columns(["image"]).append_column("pixels", pixels)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Scores; the prompts are made into tokens here."""
        features = self._pictures(rows).column("embedding")
        return self._prompts(self._prompts.prepare(rows.append_column("embedding", features)))


def scorer(named: Named, device: str) -> Operator:
    """CLIP for both prompts."""
    return Scorer(named, device)


def encoder(named: Named, layers: range, device: str, batch: int) -> Operator:
    """The LLM in bfloat16, pooled at these layers."""
    changed = {"model": named[0], "revision": named[1], "dtype": "bfloat16", "layer": layers[-1]}
    return load_encoder(load(LlmParams, "llm", PAPER).model_copy(update=changed), layers, device=device, batch=batch)


def seconds(action: Callable[[], object], device: str) -> float:
    """Wall seconds of a call, the GPU's work included."""
    started = time.perf_counter()
    action()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - started


def measure(
    name: str, operator: Operator, rows: pa.Table, asked: Asked, *, device: str, alone: int
) -> dict[str, float]:
    """One operator: in batches, then the first rows one at a time; rows are prepared before the clock runs."""
    size = BatchSize(asked, device, name)
    batched, single = Batches(operator, size), Batches(operator, BatchSize(1, device, name))
    ready = batched.prepare(rows)
    batched(ready)  # finds the batch, warms up
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    together = rows.num_rows / seconds(lambda: batched(ready), device)
    first = [single.prepare(rows.slice(row, 1)) for row in range(alone)]
    one = alone / seconds(lambda: [single(row) for row in first], device)
    figures = {"a_s": together, "one_at_a_time_a_s": one, "against_one_at_a_time": together / one, "batch": size.rows}
    if device.startswith("cuda"):
        figures["peak_gb"] = torch.cuda.max_memory_allocated() / GB
    return {f"{name}_{figure}": value for figure, value in figures.items()}


def with_share(figures: dict[str, float], name: str, flop: float, device: str) -> dict[str, float]:
    """The figures with the share of the card's peak, where its peak is known."""
    card = card_named(torch.cuda.get_device_name(device)) if device.startswith("cuda") else None
    share = {} if card is None else {f"{name}_share_of_peak": figures[f"{name}_a_s"] * flop / card.peak_flop_s}
    return {**figures, f"{name}_gflop": flop / 1e9, **share}


def run_blip(shapes: Shapes, folder: Path, device: str) -> dict[str, float]:
    """Captions."""
    operator = captioner(blip_folder(folder, shapes.blip, device), device)
    figures = measure("blip", operator, picture_rows(shapes.pictures), "auto", device=device, alone=shapes.alone)
    with torch.device("meta"):
        from transformers import BlipForConditionalGeneration

        counted = counting.blip_figures(BlipForConditionalGeneration(shapes.blip).eval())
    return with_share(figures, "blip", sum(counted.values()), device)


def run_clip(shapes: Shapes, folder: Path, device: str) -> dict[str, float]:
    """Both scores of a picture."""
    import open_clip

    operator = scorer(clip_folder(folder, shapes.clip, device), device)
    figures = measure("clip", operator, picture_rows(shapes.pictures), "auto", device=device, alone=shapes.alone)
    with torch.device("meta"):
        counted = counting.clip_figures(open_clip.CLIP(**shapes.clip), shapes.clip["vision_cfg"]["image_size"])
    return with_share(figures, "clip", counted["clip_image"] + 2 * counted["clip_text"], device)


def run_llama(size: str, shapes: Shapes, folder: Path, device: str) -> dict[str, float]:
    """Vectors of all layers, and of the deepest alone."""
    config, name = shapes.llamas[size], f"llama_{size}"
    named = llama_folder(folder, config)
    rows, lengths = prompt_rows(shapes.prompts, config.vocab_size)
    depth, batch = config.num_hidden_layers, shapes.llm_batch

    def run_layers(layers: range, alone: int) -> dict[str, float]:
        return measure(name, encoder(named, layers, device, batch), rows, len(lengths), device=device, alone=alone)

    every = run_layers(range(1, depth + 1), shapes.alone)
    last = run_layers(range(depth, depth + 1), 1)
    every |= {f"{name}_batch": batch, f"{name}_all_layers_against_one": last[f"{name}_a_s"] / every[f"{name}_a_s"]}
    flop = counting.llama_mean(shape_of(config), lengths)
    return with_share(every, name, flop, device)


def shape_of(config: Any) -> LlamaShape:
    """A LLaMA's config as what is counted."""
    return LlamaShape(
        config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.intermediate_size
    )


def run(shapes: Shapes, device: str) -> dict[str, float]:
    """All models, one after another; one that does not fit the card is told and left out."""
    figures: dict[str, float] = {}
    runs: dict[str, Callable[[Path], dict[str, float]]] = {
        "blip": lambda folder: run_blip(shapes, folder, device),
        "clip": lambda folder: run_clip(shapes, folder, device),
        **{
            f"llama_{size}": lambda folder, size=size: run_llama(size, shapes, folder, device) for size in shapes.llamas
        },
    }
    for name, action in runs.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                figures |= action(Path(folder) / name)
            except torch.OutOfMemoryError:
                cli.say(f"{name} does not fit the card's memory: left out")
    return figures


def main(arguments: list[str]) -> None:
    """Run, print and, on a GPU, keep."""
    small = arguments == ["--tiny"]
    if not small and not torch.cuda.is_available():
        raise SystemExit("bench.real_shapes needs a CUDA GPU, and there is none here: --tiny runs its code on the CPU")
    figures = run(tiny(), "cpu") if small else run(real(), "cuda")
    for name, value in figures.items():
        print(f"{name:36}{value:14.3f}")
    if not small:
        print(f"written to {results.save('real_shapes', figures)}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Captioning in batches through the stage's own code against one picture at a time; LAVIS's captions against ours.

The miniature's run also says what memory the stage takes at 10,000 and at 100,000 pictures (goal: at most 1.2 times).
One thread on the CPU, both sides in turn in one process; figures are medians and go to bench/results/captioning*.json.

    python -m bench.captioning                                        the miniature's BLIP and drawn pictures
    python -m bench.captioning --lavis --data data                   share of equal captions, after make lavis
    python -m bench.captioning --real-shape --device cuda --dtype bfloat16 --batch 64 --peak-tflops 989
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pyarrow as pa
import torch

from bench.results import save
from miniature.world import draw, sample_scene
from pipeline import captioning, engine, operating, samples, tables
from pipeline.captioning import Blip, BlipParams, Captioner
from pipeline.images import ImageParams, encode
from pipeline.lavis.captioner import LavisCaptioner
from pipeline.operating import Operator, Work, as_they_are
from pipeline.params import PARAMS, load
from pipeline.pretrained import quiet_transformers
from pipeline.work import ROW_KEY, ResultStore

PNG = ImageParams(side_px=64, resize="squash", format="png", quality=95)
BASE_WORDS = 30522  # of bert-base-uncased; BLIP's decoder has two more tokens
BASE_PX = 384


def drawn(count: int, side_px: int) -> pa.Table:
    """Pictures of the miniature's world, encoded, with their keys."""
    rng = random.Random(0)
    pictures = [encode(draw(sample_scene(rng), number, side_px=side_px), PNG) for number in range(count)]
    return pa.table({ROW_KEY: [str(number) for number in range(count)], "image": pictures})


def cleaned(data: Path, count: int) -> pa.Table:
    """The first clean pictures of a ``data/`` folder after a run, encoded, with their keys."""
    rows = tables.read(data / "clean" / "samples.parquet", samples.SAMPLES).slice(0, count)
    found = samples.add_images(data / "download" / "parts", rows)
    return pa.table({ROW_KEY: found.column("image_sha256"), "image": found.column("image")})


def base_blip() -> Blip:
    """BLIP base's network as published (ViT-B/16 at 384 px, BERT base), with random weights and made-up words."""
    quiet_transformers()
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    torch.manual_seed(0)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *(f"w{number}" for number in range(BASE_WORDS - len(special)))]
    ends = {"bos_token_id": BASE_WORDS, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    text = {"vocab_size": BASE_WORDS + 2, "initializer_range": 0.02, "num_attention_heads": 12, **ends}
    vision = {"image_size": BASE_PX, "initializer_range": 0.02}
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)).eval()
    return Blip(model, BertTokenizer(vocab={word: at for at, word in enumerate(words)}), BlipImageProcessorPil())


def one_at_a_time(operator: Captioner, rows: pa.Table) -> list[str]:
    """As in the authors' notebook: open a picture, caption it, append."""
    captions: list[str] = []
    for at in range(rows.num_rows):
        captions += operator(operator.prepare(rows.slice(at, 1))).column("simple_prompt").to_pylist()
    return captions


def through_the_stage(operator: Operator, rows: pa.Table, batch: engine.Rows, device: str) -> list[str]:
    """Units with a work store, the next one prepared while the model runs: what ``stages.caption`` runs."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SUR_WORK"] = folder
        store = ResultStore("caption", {}, captioning.RESULT)
        build = lambda: engine.batches(operator, batch, device, "caption_batch")  # noqa: E731
        operating.local(Work("caption", build, as_they_are, engine.unit(batch)), rows, store)
        found: list[str] = store.take(rows.column(ROW_KEY).to_pylist()).column("simple_prompt").to_pylist()
    return found


def seconds(action: Callable[[], list[str]]) -> tuple[float, list[str]]:
    """Wall seconds of one call, and what it gave."""
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


def compare(operator: Captioner, rows: pa.Table, asked: argparse.Namespace) -> dict[str, float]:
    """Pictures a second of both ways, the medians' ratio, and the share of captions that are equal."""
    few = rows.slice(0, asked.singles or rows.num_rows)
    rounds = [
        (
            seconds(lambda: one_at_a_time(operator, few)),
            seconds(lambda: through_the_stage(operator, rows, asked.batch, asked.device)),
        )
        for _ in range(asked.rounds)
    ]
    (_, singly), (_, together) = rounds[0]
    slow = few.num_rows / median(first[0] for first, _ in rounds)
    quick = rows.num_rows / median(second[0] for _, second in rounds)
    return {
        "pictures": rows.num_rows,
        "one_at_a_time_per_s": round(slow, 2),
        "batches_per_s": round(quick, 2),
        "ratio": round(quick / slow, 2),
        "equal_captions": sum(map(str.__eq__, singly, together)) / len(singly),
    }


def on_the_card(operator: Captioner, rows: pa.Table, found: dict[str, float], peak_tflops: float) -> dict[str, float]:
    """Peak memory, counted operations a picture and their share of what the card could do."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        operator(operator.prepare(rows.slice(0, 1)))
    gigaflops = counter.get_total_flops() / 1e9
    return {
        "gigaflops_a_picture": round(gigaflops, 1),
        "share_of_peak": round(found["batches_per_s"] * gigaflops / 1e3 / peak_tflops, 4),
        "peak_memory_mb": round(torch.cuda.max_memory_allocated() / 1e6),
    }


def caption_memory() -> dict[str, float]:
    """The stage's peaks, by a process between: a child's counts from its parent's size, and this one has a model."""
    command = [sys.executable, "-m", "bench.caption_memory"]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, float] = json.loads(printed)
    return figures


def backends(config: BlipParams, rows: pa.Table, asked: argparse.Namespace) -> dict[str, float]:
    """Captions of LAVIS and of transformers on the same weights and pixels: the share that is equal."""
    one, other = (
        through_the_stage(build(config, asked.device), rows, asked.batch, asked.device)
        for build in (Captioner, LavisCaptioner)
    )
    return {"pictures": rows.num_rows, "equal_captions": round(sum(map(str.__eq__, one, other)) / len(one), 4)}


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--singles", type=int, help="pictures of the slow side, where all would take too long")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=lambda text: text if text == "auto" else int(text), default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=captioning.DTYPES, default="float32")
    parser.add_argument("--data", type=Path, help="pictures of a run instead of drawn ones")
    parser.add_argument("--lavis", action="store_true")
    parser.add_argument("--real-shape", action="store_true")
    parser.add_argument("--peak-tflops", type=float)
    return parser.parse_args()


def main() -> None:
    """Measure, print, and keep the figures."""
    asked = arguments()
    torch.set_num_threads(1)
    settings = Path("profiles/paper.yaml") if asked.real_shape else PARAMS
    config = load(BlipParams, "blip", settings).model_copy(update={"dtype": asked.dtype})
    rows = cleaned(asked.data, asked.count) if asked.data else drawn(asked.count, 512 if asked.real_shape else 64)
    name, figures = "captioning", dict[str, float]()
    if asked.lavis:
        name, figures = "captioning_lavis", backends(config, rows, asked)
    else:
        operator = Captioner(config, asked.device, base_blip() if asked.real_shape else None)
        figures = compare(operator, rows, asked)
        if asked.real_shape:
            name = "captioning_real_shape"
        else:
            figures |= caption_memory()
        if asked.peak_tflops:
            figures |= on_the_card(operator, rows, figures, asked.peak_tflops)
    for key, value in figures.items():
        print(f"{key:24}{value:>12,}")
    print(save(name, figures))


if __name__ == "__main__":
    main()

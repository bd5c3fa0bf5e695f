"""CLIP scores in the stage's batches against one picture at a time, and the stage's memory at 10,000 and 100,000 pairs.

The rate: pictures of the miniature's world with their simple and complex prompts, scored by the stage's own operators
(each picture once, each distinct text once) and by a loop over the same weights in open_clip alone that takes one pair
after the other, each text over CLIP's whole context; both on one thread in one process, in turn, medians of their
processor seconds. Captioning of such pictures, as bench.captioning does it, is measured in the same way, and both are
added up: seconds a picture for caption and score. The memory: the stage as it is, with operators that make up features
and scores; each size is a process of its own that has torch loaded, as the stage has, and no model; the figure is the
process's peak resident memory.

    OMP_NUM_THREADS=1 python -m bench.scoring [fewer] [more]
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # libraries are imported in the children alone: a child's peak counts from its parent's size
    import pyarrow as pa

ROOT = Path(__file__).parents[1]
SIZES = (10_000, 100_000)
COUNT, ROUNDS, BATCH = 128, 7, 64
CAPTIONED, CAPTION_ROUNDS = 64, 3
UNIT, WIDTH, SHARD_ROWS = 512, 512, 1000
GOALS = {
    "rate_ratio": "  (goal: 3 or more)",
    "caption_and_score_ratio": "  (goal: 3 or more)",
    "memory_ratio": "  (goal: 1.2 or less)",
}


def rates(_: int) -> None:
    """Print seconds a picture: scored one by one, in batches; captioned one by one, in batches."""
    import torch

    torch.set_num_threads(1)
    alone, clip, rows = _alone(), _model(), _pairs()
    _in_turn(lambda: _one_by_one(alone, rows), lambda: _in_batches(clip, rows), COUNT, ROUNDS)
    _in_turn(*_captioning(rows.slice(0, CAPTIONED)), CAPTIONED, CAPTION_ROUNDS)


def _in_turn(single: Callable[[], object], batched: Callable[[], object], count: int, rounds: int) -> None:
    taken = [(_seconds(single), _seconds(batched)) for _ in range(rounds)]
    for way in zip(*taken, strict=True):
        sys.stdout.write(f"{median(way) / count}\n")


def _captioning(rows: "pa.Table") -> tuple[Callable[[], object], Callable[[], object]]:
    from bench import captioning
    from pipeline import params
    from pipeline.captioning import BlipParams, Captioner

    blip = Captioner(params.load(BlipParams, "blip"), "cpu")
    return (
        lambda: captioning.one_at_a_time(blip, rows),
        lambda: captioning.through_the_stage(blip, rows, BATCH, "cpu"),
    )


def _seconds(action: Callable[[], object]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


def _model() -> Any:
    from pipeline import params
    from pipeline.clip_rule import ClipParams
    from pipeline.clip_score import Clip

    os.chdir(ROOT)
    return Clip(params.load(ClipParams, "clip"), "cpu")


def _pairs() -> "pa.Table":
    """Pictures of the miniature's world as PNG, with both prompts."""
    import io

    import pyarrow as pa

    from miniature.language import complex_prompt, simple_prompt
    from miniature.world import draw, sample_scene

    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(COUNT)]
    streams = [io.BytesIO() for _ in scenes]
    for index, (scene, stream) in enumerate(zip(scenes, streams, strict=True)):
        draw(scene, index).save(stream, "PNG")
    return pa.table(
        {
            "key": [str(index) for index in range(COUNT)],
            "image": [stream.getvalue() for stream in streams],
            "simple_prompt": [simple_prompt(scene, rng) for scene in scenes],
            "complex_prompt": [complex_prompt(scene, rng) for scene in scenes],
        }
    )


def _alone() -> tuple[Any, Any, Any]:
    """The same weights in open_clip alone: model, transform of pictures, tokenizer."""
    from pipeline import params
    from pipeline.clip_rule import ClipParams
    from pipeline.vision_shim import ensure_torchvision

    ensure_torchvision()
    import open_clip

    name = f"local-dir:{ROOT / params.load(ClipParams, 'clip', ROOT / 'params.yaml').model}"
    model, _, transform = open_clip.create_model_and_transforms(name)
    return model.eval(), transform, open_clip.get_tokenizer(name)


def _one_by_one(alone: tuple[Any, Any, Any], rows: "pa.Table") -> list[float]:
    """As in the authors' notebook: a picture, then each of its texts over CLIP's whole context."""
    import torch

    from pipeline.images import decode

    (model, transform, tokenizer), scores = alone, list[float]()
    with torch.no_grad():
        for row in rows.to_pylist():
            picture = model.encode_image(transform(decode(row["image"]))[None], normalize=True)[0]
            for name in ("simple_prompt", "complex_prompt"):
                scores.append(float(picture @ model.encode_text(tokenizer([row[name]]), normalize=True)[0]))
    return scores


def _in_batches(clip: Any, rows: "pa.Table") -> None:
    from pipeline.clip_score import PictureEncoder, PromptScorer
    from pipeline.operating import Batches, BatchSize

    size = BatchSize(BATCH, "cpu", "compute.clip_batch")
    for start in range(0, rows.num_rows, BATCH):
        unit = rows.slice(start, BATCH)
        pictures, prompts = Batches(PictureEncoder(clip), size), Batches(PromptScorer(clip), size)
        features = pictures(pictures.prepare(unit)).column("embedding")
        prompts(prompts.prepare(unit.append_column("embedding", features)))


def pack(count: int) -> None:
    """Captions and pictures for the stage."""
    from pipeline import tables
    from pipeline.samples import CAPTIONS
    from pipeline.tables import IMAGE, column

    pictures = [_picture(number) for number in range(64)]
    shape = tables.schema(column("sample_id", _string(), ""), column("image", IMAGE, ""))

    def shards() -> Iterator["pa.Table"]:
        for start in range(0, count, SHARD_ROWS):
            rows = range(start, start + SHARD_ROWS)
            images = [{"bytes": pictures[row % 64], "path": None} for row in rows]
            yield tables.from_rows(
                ({"sample_id": _name(row), "image": image} for row, image in zip(rows, images, strict=True)), shape
            )

    tables.write_shards(shards(), Path("parts"), shape, rows=SHARD_ROWS)
    captions = (
        tables.from_rows(map(_caption, range(start, start + SHARD_ROWS)), CAPTIONS)
        for start in range(0, count, SHARD_ROWS)
    )
    tables.write_in_order(captions, Path("captions.parquet"), CAPTIONS)


def _string() -> Any:
    import pyarrow as pa

    return pa.string()


def _name(number: int) -> str:
    return f"civitai:{number:08d}"


def _caption(number: int) -> dict[str, str]:
    from hashlib import sha256

    return {
        "sample_id": _name(number),
        "source": "civitai",
        "licence": "as stated by the author",
        "page_url": f"https://civitai.com/images/{number}",
        "split": "train",
        "image_sha256": sha256(str(number).encode()).hexdigest(),
        "part": f"part-{number // SHARD_ROWS:05d}.parquet",
        "complex_prompt": f"portrait of person {number}, masterpiece, best quality, intricate details, " * 3,
        "simple_prompt": f"a person with number {number % 5000} in front of a wall",
    }


def _picture(number: int) -> bytes:
    import io

    import numpy as np
    from PIL import Image

    stream = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def stage(_: int) -> None:
    """The stage ``clip_filter`` with made-up features and scores; a tenth of the pairs are dropped."""
    from pipeline import params
    from pipeline.clip_rule import ClipParams
    from stages.clip_filter import clip_filter

    config = params.load(ClipParams, "clip", ROOT / "params.yaml")
    source, parts, target = Path("captions.parquet"), Path("parts"), Path("out")
    clip_filter(source, parts, target, config, pictures=lambda: _features, prompts=lambda: _scores, unit=UNIT)


def _features(rows: "pa.Table") -> "pa.Table":
    import numpy as np
    import pyarrow as pa

    from pipeline.clip_score import FEATURES

    made = np.random.default_rng(0).random((rows.num_rows, WIDTH), dtype=np.float32)
    return pa.table({"key": rows.column("key"), "embedding": pa.array(list(made), FEATURES.types[0])})


def _scores(rows: "pa.Table") -> "pa.Table":
    import numpy as np
    import pyarrow as pa

    from pipeline.clip_score import RESULT

    complex_ = np.random.default_rng(1).normal(25, 3, rows.num_rows).astype(np.float32)
    simple = complex_ + np.where(np.arange(rows.num_rows) % 10, 1, -1).astype(np.float32)
    flags = np.zeros(rows.num_rows, dtype=np.bool_)
    return pa.table([rows.column("key"), simple, complex_, flags, flags], names=["key", *RESULT.names])


STEPS = {"rates": rates, "pack": pack, "stage": stage}


def run(step: str, count: int, folder: Path) -> tuple[float, list[float]]:
    """Peak memory in MB of one step in a process of its own, and the numbers that it printed.

    Raises:
        SystemExit: the step failed.
    """
    command = [sys.executable, "-m", "bench.scoring", "--step", step, str(count)]
    places = {"SUR_WORK": str(folder / "work"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **places}, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stdout is not None
    printed = [float(line) for line in process.stdout]
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{step} of {count:,} pairs failed")
    return usage.ru_maxrss / 1024, printed


def compare(fewer: int, more: int) -> None:
    """Measure everything, print it and leave it in bench/results."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        _, (slow, quick, slow_caption, quick_caption) = run("rates", COUNT, Path(name))
        figures |= {
            "one_by_one_images_a_s": 1 / slow,
            "batched_images_a_s": 1 / quick,
            "rate_ratio": slow / quick,
            "caption_and_score_one_by_one_s": slow + slow_caption,
            "caption_and_score_batched_s": quick + quick_caption,
            "caption_and_score_ratio": (slow + slow_caption) / (quick + quick_caption),
        }
        for count, size in ((fewer, "fewer"), (more, "more")):
            folder = Path(name) / size
            folder.mkdir()
            run("pack", count, folder)
            started = time.perf_counter()
            peak, _ = run("stage", count, folder)
            figures |= {f"{size}_pairs": count, f"{size}_mb": peak, f"{size}_s": time.perf_counter() - started}
    figures["memory_ratio"] = figures["more_mb"] / figures["fewer_mb"]
    for key, value in figures.items():
        sys.stdout.write(f"{key:32}{value:12,.3f}{GOALS.get(key, '')}\n")
    _save(figures)


def _save(figures: dict[str, float]) -> None:
    from bench import results

    sys.stdout.write(f"{results.save('scoring', {key: round(value, 3) for key, value in figures.items()})}\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--step", step, count]:
            STEPS[step](int(count))
        case []:
            compare(*SIZES)
        case [fewer, more]:
            compare(int(fewer), int(more))
        case _:
            raise SystemExit("python -m bench.scoring [fewer] [more]")

"""What a row costs the stages that hold all rows: peak memory at 10,000 and 100,000 rows, and bytes a row in the files.

Records are made up, with prompts of random words about as long as real ones, and pictures of 16 px; models are fakes,
so that rows alone count. Each stage runs in a process of its own; a row's cost is the difference of the two peaks.

    python -m bench.row_memory [fewer] [more]
"""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import results

if TYPE_CHECKING:  # libraries are imported in the children alone: a child's peak counts from its parent's size
    import pyarrow as pa

ROOT = Path(__file__).parents[1]
SIZES = (10_000, 100_000)
SHARD_ROWS = 1000
COMPLEX_WORDS, SIMPLE_WORDS = 55, 9  # a complex prompt of some 340 characters, a caption of some 55
VOCABULARY = [f"w{number:05d}" for number in range(4000)]
WIDTH, LAYERS = 64, 2  # of the fake LLM: small, since the vectors' own bytes are plain arithmetic
CLIP_WIDTH = 512
RECORDED = Path("data/scrape/civitai/records.parquet")
PARTS = Path("data/download/parts")
SAMPLES = Path("data/clean/samples.parquet")
CAPTIONED = Path("data/caption/captions.parquet")
SCORED = Path("data/clip_filter/scores.parquet")
RESIZED = Path("data/resize/parts")


def words(number: int, count: int) -> str:
    """A made-up text."""
    return " ".join(random.Random(number * 1000 + count).choices(VOCABULARY, k=count))


def url(number: int) -> str:
    """Where a picture would be."""
    return f"https://image.civitai.com/bench/{number:012d}-{number * 7919 % 10**12:012d}/{number}.jpeg"


def record(number: int) -> dict[str, Any]:
    """A row of sources.record.RECORDS."""
    prompt = words(number, COMPLEX_WORDS)
    return {
        "sample_id": f"civitai:{number:09d}",
        "source": "civitai",
        "source_id": f"{number:09d}",
        "page_url": f"https://civitai.com/images/{number}",
        "image_url": url(number),
        "access_basis": "API with the owner's leave",
        "licence": "as the author says",
        "licence_url": "https://civitai.com/content/tos",
        "nsfw_level": 1,
        "prompt": f"(masterpiece:1.2), {prompt}",
        "negative_prompt": words(number % 97, 12),
        "complex_prompt": prompt,
        "model": "SD 1.5",
        "sampler": "DPM++ 2M",
        "steps": 30,
        "cfg": 7.0,
        "seed": 2**33 + number,
        "width": 832,
        "height": 1216,
        "author_hash": f"{number % 997:032x}",
        "created_at": "2024-01-01T00:00:00Z",
        "meta_json": f'{{"prompt": "(masterpiece:1.2), {prompt}", "steps": 30, "hash": "{number:016x}"}}',
    }


def later(row: dict[str, Any]) -> dict[str, Any]:
    """The same row as the later tables have it: with caption and scores, kept."""
    number = int(row["source_id"])
    return {
        **row,
        "split": "train",
        "image_sha256": f"{number:064x}",
        "part": f"part-{number // SHARD_ROWS:05d}.parquet",
        "simple_prompt": words(number, SIMPLE_WORDS),
        "score_simple": 25.0 + number % 7,
        "score_complex": 25.0,
        "simple_truncated": False,
        "complex_truncated": False,
        "caption_truncated": False,
        "kept": True,
        "drop_reason": None,
        "n_bytes": 1,
        "format": "png",
        "crop_box": [0, 0, 16, 16],
        "image": {"bytes": picture(), "path": f"{number}.png"},
    }


@cache
def picture() -> bytes:
    """A small PNG."""
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(stream, "PNG")
    return stream.getvalue()


def make(count: int) -> None:
    """Write the tables that the stages read."""
    from pipeline import samples, tables
    from pipeline.downloading import DOWNLOADS
    from pipeline.sources.record import RECORDS

    plain = {RECORDED: RECORDS, SAMPLES: samples.SAMPLES, CAPTIONED: samples.CAPTIONS, SCORED: samples.SCORES}
    for path, shape in plain.items():
        tables.write_in_order(_tables(count, shape), path, shape)
    for folder, shape in {PARTS: DOWNLOADS, RESIZED: samples.SURD}.items():
        tables.write_shards(_tables(count, shape), folder, shape, rows=SHARD_ROWS)


def _tables(count: int, shape: "pa.Schema") -> Iterator["pa.Table"]:
    from pipeline import tables

    for start in range(0, count, SHARD_ROWS):
        rows = (later(record(number)) for number in range(start, min(start + SHARD_ROWS, count)))
        yield tables.from_rows(({name: row[name] for name in shape.names} for row in rows), shape)


def download(_count: int) -> None:
    """The stage ``download``, its pictures at once there."""
    from pipeline import params
    from pipeline.downloading import DownloadParams
    from pipeline.http import Response
    from stages.download import download as stage

    content = picture()

    def get(address: str) -> Response:
        return Response(address, 200, {}, content, 1)

    config = params.load(DownloadParams, "download", ROOT / "params.yaml")
    stage([RECORDED], Path("data/download"), config, side_px=512, get=get, workers=1)


def caption(_count: int) -> None:
    """The stage ``caption`` with a fake BLIP."""
    import pyarrow as pa

    from pipeline import params
    from pipeline.captioning import BlipParams
    from pipeline.work import ROW_KEY
    from stages.caption import caption as stage

    def say(rows: pa.Table) -> pa.Table:
        said = [words(int(key, 16), SIMPLE_WORDS) for key in rows.column(ROW_KEY).to_pylist()]
        cut = [False] * rows.num_rows
        return pa.table({ROW_KEY: rows.column(ROW_KEY), "simple_prompt": said, "caption_truncated": cut})

    config = params.load(BlipParams, "blip", ROOT / "params.yaml")
    stage(SAMPLES, PARTS, Path("data/caption"), config, build=lambda: say, unit=512)


def clip_filter(_count: int) -> None:
    """The stage ``clip_filter`` with a fake CLIP of ViT-B/32's width, all of whose numbers are 1."""
    import numpy as np
    import pyarrow as pa

    from pipeline import clip_score, params
    from pipeline.clip_rule import ClipParams
    from pipeline.work import ROW_KEY
    from stages.clip_filter import clip_filter as stage

    def see(rows: pa.Table) -> pa.Table:
        features = pa.array(list(np.ones((rows.num_rows, CLIP_WIDTH), np.float32)), pa.list_(pa.float32()))
        return pa.table({ROW_KEY: rows.column(ROW_KEY), "embedding": features})

    def score(rows: pa.Table) -> pa.Table:
        ones = pa.array(np.ones(rows.num_rows, np.int8))
        return pa.table({ROW_KEY: rows.column(ROW_KEY), **{f.name: ones.cast(f.type) for f in clip_score.RESULT}})

    config = params.load(ClipParams, "clip", ROOT / "params.yaml")
    target = Path("data/clip_filter")
    stage(CAPTIONED, PARTS, target, config, pictures=lambda: see, prompts=lambda: score, unit=512)


def review_export(_count: int) -> None:
    """The stage ``review_export``."""
    from stages.review_export import review_export as stage

    stage(SCORED, Path("data/review_export"))


def review_import(_count: int) -> None:
    """The stage ``review_import``, nobody having reviewed anything."""
    from pipeline import params
    from pipeline.review.verdicts import ReviewParams
    from stages.review_import import review_import as stage

    config = params.load(ReviewParams, "review", ROOT / "params.yaml")
    Path("reviews").mkdir()
    stage(SCORED, Path("reviews"), Path("data/review_import"), config)


def embed(_count: int) -> None:
    """The stage ``embed`` with a fake LLM and the miniature's tokens."""
    from collections.abc import Sequence
    from functools import partial

    import numpy as np
    import pyarrow as pa

    from pipeline import params
    from pipeline.llm import LlmParams, LlmShape
    from pipeline.llm_loading import load_tokens
    from pipeline.operating import Operator
    from pipeline.work import ROW_KEY
    from stages.embed import Llm
    from stages.embed import embed as stage

    def encoding(layers: Sequence[int]) -> Operator:
        return partial(encode, layers)

    def encode(layers: Sequence[int], rows: pa.Table) -> pa.Table:
        flat = pa.array(np.ones(rows.num_rows * WIDTH, np.float16))
        vectors = {f"layer_{layer}": pa.FixedSizeListArray.from_arrays(flat, WIDTH) for layer in layers}
        tokens = pa.array([SIMPLE_WORDS] * rows.num_rows, pa.int32())
        return pa.table({ROW_KEY: rows.column(ROW_KEY), "tokens": tokens, **vectors})

    def no_states(_fed: object) -> Operator:
        raise AssertionError("token states are not asked for")

    config = params.load(LlmParams, "llm", ROOT / "params.yaml")
    config = config.model_copy(update={"model": str(ROOT / config.model), "layers": "all"})
    llm = Llm(layers=encoding, states=no_states, tokens=cache(partial(load_tokens, config)))
    stage(RESIZED, Path("data/embed"), config, LlmShape(LAYERS, WIDTH), llm=llm, unit=256)


STEPS = {
    "make": make,
    "download": download,
    "caption": caption,
    "clip_filter": clip_filter,
    "review_export": review_export,
    "review_import": review_import,
    "embed": embed,
}
FILES = {
    "records": RECORDED,
    "samples": SAMPLES,
    "captions": CAPTIONED,
    "scores": SCORED,
    "tasks_json": Path("data/review_export/tasks.json"),
    "verdicts": Path("data/review_import/verdicts.parquet"),
}


def run(step: str, count: int, folder: Path) -> float:
    """Peak memory in bytes of one step in a process of its own.

    Raises:
        SystemExit: the step failed.
    """
    command = [sys.executable, "-m", "bench.row_memory", "--step", step, str(count)]
    places = {"SUR_WORK": str(folder / "work"), "PYTHONPATH": str(ROOT)}
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **places}, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        last = (folder / "log.txt").read_text(encoding="utf-8").splitlines()[-1]
        raise SystemExit(f"{step} of {count:,} rows failed: {last}")
    return usage.ru_maxrss * 1024


def measure(fewer: int, more: int) -> dict[str, float]:
    """Bytes a row, in memory by stage and on disk by table."""
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folders = {count: Path(name) / str(count) for count in (fewer, more)}
        for folder in folders.values():
            folder.mkdir()
        for step in STEPS:
            small, large = (run(step, count, folder) for count, folder in folders.items())
            if step != "make":
                figures[f"{step}_memory_b_a_row"] = (large - small) / (more - fewer)
                figures[f"{step}_peak_mb"] = large / 1e6
                print(f"{step:16}{figures[f'{step}_memory_b_a_row']:8.0f} bytes a row, peak {large / 1e6:.0f} MB")
        for table, path in FILES.items():
            figures[f"{table}_file_b_a_row"] = (folders[more] / path).stat().st_size / more
            print(f"{table:16}{figures[f'{table}_file_b_a_row']:8.0f} bytes a row on disk")
    return figures


def main(sizes: tuple[int, ...]) -> None:
    """Measure and keep."""
    fewer, more = sizes
    figures = measure(fewer, more)
    print(f"written to {results.save('row_memory', {'rows': more, **figures})}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--step", step, count]:
            STEPS[step](int(count))
        case []:
            main(SIZES)
        case [fewer, more]:
            main((int(fewer), int(more)))
        case _:
            raise SystemExit("python -m bench.row_memory [fewer] [more]")

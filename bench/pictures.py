"""What one processor core does with pictures: decode, prepare for BLIP and CLIP, measure, cut, encode, hash.

Made-up JPEGs of 512 x 768 px, the smallest rendition that the paper's profile asks for. Figures are milliseconds of
processor time a picture, so that other work on the machine does not count; the hash that DVC takes is in MB a second.

    python -m bench.pictures [pictures]
"""

import hashlib
import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bench import results
from pipeline import picture_facts
from pipeline.images import ImageParams, decode, encode, to_square
from pipeline.params import load
from pipeline.pretrained import quiet_transformers
from pipeline.work import ROW_KEY

COUNT, WIDTH, HEIGHT, QUALITY = 24, 512, 768, 90
PAPER = Path(__file__).parents[1] / "profiles" / "paper.yaml"
HASHED = 2**26
BLIP_SIDE_PX, CLIP_SIDE_PX = 384, 224


def picture(number: int) -> Image.Image:
    """Soft shapes under some grain: about as many bytes as a photograph of that size."""
    generator = np.random.default_rng(number)
    coarse = Image.fromarray(generator.integers(0, 256, (24, 16, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=np.int16)
    grain = generator.normal(0, 8, (HEIGHT, WIDTH, 1)).astype(np.int16)
    return Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8))


def jpeg(number: int) -> bytes:
    """A made-up download."""
    stream = io.BytesIO()
    picture(number).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def cpu_ms(action: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Milliseconds of processor time for one item, the first one left out."""
    action(items[0])
    started = time.process_time()
    for item in items:
        action(item)
    return 1000 * (time.process_time() - started) / len(items)


def measure(count: int) -> dict[str, float]:
    """All figures."""
    blip, clip, config = _blip_processor(), _clip_transform(), load(ImageParams, "image", PAPER)
    files = [jpeg(number) for number in range(count)]
    pictures = [decode(content) for content in files]
    squares = [to_square(picture, config.side_px, config.resize)[0] for picture in pictures]
    rows = [_row(content) for content in files]
    encoded = [encode(square, config) for square in squares]
    return {
        "jpeg_kb": sum(map(len, files)) / count / 1000,
        "decode_ms": cpu_ms(decode, files),
        "blip_ms": cpu_ms(lambda picture: blip(images=[picture], return_tensors="pt"), pictures),
        "clip_ms": cpu_ms(clip, pictures),
        "facts_ms": cpu_ms(picture_facts.measure, rows),
        "square_ms": cpu_ms(lambda picture: to_square(picture, config.side_px, config.resize), pictures),
        "encode_ms": cpu_ms(lambda square: encode(square, config), squares),
        "decode_square_ms": cpu_ms(decode, encoded),
        "md5_mb_a_s": HASHED / 1e3 / cpu_ms(_md5, [bytes(HASHED)]),
    }


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def _row(content: bytes) -> Any:
    import pyarrow as pa

    return pa.table({ROW_KEY: ["made up"], "image": pa.array([content], pa.binary())})


def _blip_processor() -> Any:
    quiet_transformers()
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    return BlipImageProcessorPil(size={"height": BLIP_SIDE_PX, "width": BLIP_SIDE_PX})


def _clip_transform() -> Any:
    quiet_transformers()
    import open_clip

    return open_clip.image_transform(CLIP_SIDE_PX, is_train=False)


def main(count: int = COUNT) -> None:
    """Measure, print and keep."""
    torch.set_num_threads(1)
    figures = measure(count)
    for name, value in figures.items():
        print(f"{name:20}{value:10.2f}")
    print(f"written to {results.save('pictures', figures)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))

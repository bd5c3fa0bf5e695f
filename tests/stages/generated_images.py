"""A little data/sample folder for tests: two prompts, two images each, three arms, images of one colour."""

import hashlib
import io
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline import tables
from pipeline.generated import GENERATED, MANIFEST
from pipeline.prompts import Prompt

PROMPTS = [
    Prompt("disc", "a red disc", "red circle, 8k", "colour", ({"skill": "colour"},), "miniature", "seen"),
    Prompt(
        "pair", "two red discs", None, "counting", ({"skill": "colour"}, {"skill": "counting"}), "miniature", "seen"
    ),
]


def png(colour: str) -> bytes:
    """An 8 x 8 picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(stream, "PNG")
    return stream.getvalue()


def write_sample(folder: Path, colour_of: Callable[[str, int], str], *, more: Collection[str] = ()) -> None:
    """Write parts and manifest; ``colour_of(arm, index)`` says how each image looks, ``more`` names further arms."""
    rows: list[dict[str, Any]] = []
    for prompt in PROMPTS:
        for index in range(2):
            arms = ["base", "adapted", *(["complex"] if prompt.complex else []), *more]
            for arm in arms:
                content = png(colour_of(arm, index))
                row = {"sample_id": f"{prompt.id}/{index:02d}/{arm}", "arm": arm, "prompt_id": prompt.id}
                row |= {"model": "tiny", "method": "none"}
                row |= {"index": index, "seed": index, "image": {"bytes": content, "path": None}, "type": prompt.type}
                row |= {
                    "text": prompt.text,
                    "model": "a model",
                    "method": "none",
                    "part": "part-00000.parquet",
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
                rows.append(row)
    rows.sort(key=lambda row: str(row["sample_id"]))
    for name, shape in (("parts/part-00000.parquet", GENERATED), ("manifest.parquet", MANIFEST)):
        chosen = [{key: row[key] for key in shape.names} for row in rows]
        tables.write(tables.from_rows(chosen, shape), folder / name, shape)

"""A small downloaded and cleaned data set for tests of the stages that come after it."""

import hashlib
import io

import pyarrow as pa

from pipeline import tables
from pipeline.samples import CAPTIONS, SAMPLES
from pipeline.tables import IMAGE, KEY, column
from tests.pipeline.frozen_models import noise

DOWNLOADED = tables.schema(column(KEY, pa.string(), ""), column("image", IMAGE, ""))


def png(seed, side=24):
    stream = io.BytesIO()
    noise(seed, side).save(stream, "PNG")
    return stream.getvalue()


def sample(number, part="part-00000.parquet"):
    source = ("lexica", "civitai")[number % 2]
    return {
        "sample_id": f"{source}:{number:03d}",
        "source": source,
        "licence": {"lexica": "CC0", "civitai": "as stated by the author"}[source],
        "page_url": f"https://example.org/{number}",
        "split": "val" if number % 5 == 0 else "train",
        "image_sha256": hashlib.sha256(png(number)).hexdigest(),
        "part": part,
        "complex_prompt": f"masterpiece, red circle number {number}, best quality",
    }


def download(folder, numbers):
    """Write the pictures of these samples into one shard; gives the folder."""
    rows = [{KEY: sample(n)["sample_id"], "image": {"bytes": png(n), "path": None}} for n in numbers]
    rows.sort(key=lambda row: row[KEY])
    tables.write_shards([tables.from_rows(rows, DOWNLOADED)], folder, DOWNLOADED, rows=1000)
    return folder


def clean(path, numbers):
    tables.write(tables.from_rows([sample(n) for n in numbers], SAMPLES), path, SAMPLES)
    return path


def captioned(path, captions):
    """``captions``: a caption for each number."""
    rows = [sample(number) | {"simple_prompt": text} for number, text in captions.items()]
    tables.write(tables.from_rows(rows, CAPTIONS), path, CAPTIONS)
    return path

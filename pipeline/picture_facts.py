"""What cleaning has to know of a picture: whether it decodes, its size, and how it looks."""

import pyarrow as pa
from PIL import Image

from pipeline import tables
from pipeline.images import UndecodableError, decode
from pipeline.looks import THUMBNAIL
from pipeline.tables import column
from pipeline.work import ROW_KEY

FACTS = tables.schema(
    column("fault", pa.string(), "why the bytes cannot be decoded", nullable=True),
    column("width", pa.int32(), "upright, pixels; 0 where undecodable"),
    column("height", pa.int32(), "upright, pixels; 0 where undecodable"),
    column("phash", pa.string(), "16 hex digits; empty where undecodable"),
    column("thumbnail", pa.binary(), "8 x 8 RGB pixels; empty where undecodable"),
)
FACTS_KEYED = tables.schema(column(ROW_KEY, pa.string(), "SHA-256 of the picture's bytes"), *FACTS)
FAULTS = ("no_image", "broken_image", "too_many_pixels")
"""Why bytes cannot be decoded: the reasons of images.UndecodableError."""


def measure(pictures: pa.Table) -> pa.Table:
    """Decode pictures in full and describe them.

    Args:
        pictures: columns ``key`` and ``image`` (encoded bytes).

    Returns:
        Rows of FACTS with their key.
    """
    rows = [_facts(row[ROW_KEY], row["image"]) for row in pictures.to_pylist()]
    return tables.from_rows(rows, FACTS_KEYED)


def _facts(key: str, content: bytes) -> dict[str, object]:
    import imagehash

    try:
        picture = decode(content)
    except UndecodableError as error:
        return {ROW_KEY: key, "fault": error.reason, "width": 0, "height": 0, "phash": "", "thumbnail": b""}
    return {
        ROW_KEY: key,
        "fault": None,
        "width": picture.width,
        "height": picture.height,
        "phash": str(imagehash.phash(picture)),
        "thumbnail": picture.resize(THUMBNAIL, Image.Resampling.BOX).tobytes(),
    }

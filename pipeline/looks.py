"""What a picture looks like to a program that searches for copies: a perceptual hash and a tiny thumbnail."""

from dataclasses import dataclass

THUMBNAIL = (8, 8)
THUMBNAIL_BYTES = 8 * 8 * 3


@dataclass(frozen=True)
class Look:
    """Pictures with near looks are copies of each other, see :func:`pipeline.grouping.near_pairs`."""

    phash: int
    """64-bit perceptual hash."""
    thumbnail: bytes
    """8 x 8 RGB pixels."""

"""Which of a picture's renditions is downloaded: the smallest that is large enough and not upscaled.

Civitai's image host takes a width in the address and gives the next larger one of a fixed ladder, enlarging pictures
that are smaller than that; so a rendition is asked for only where the source says that the picture is as wide.
"""

import math
from urllib.parse import urlsplit

# Steps of Civitai's ladder that may be asked for: below 512 are thumbnails, above 1600 the host no longer keeps to it.
CIVITAI_WIDTHS_PX = (512, 800, 1200, 1600)
CIVITAI_HOST = "image.civitai.com"
ORIGINAL = "original=true"


def address(image_url: str, width: int | None, height: int | None, *, side_px: int) -> str:
    """Where the picture is asked for: ``image_url`` or a smaller rendition of it.

    Args:
        image_url: the address that the source gives. Lexica's ``src`` and the addresses of the others are taken as
            they stand: no sizes of renditions are documented there, and thumbnails have addresses of their own.
        width: pixels, as the source says; None where it does not.
        height: as ``width``.
        side_px: ``image.side_px``, the least length of the shorter side.
    """
    return _rendition(image_url, _wanted(width, height, side_px))


def spellings(image_url: str) -> tuple[str, ...]:
    """Every address at which a picture may be asked for: that of the picture itself first, then its renditions'."""
    wanted = (ORIGINAL, *(f"width={wide}" for wide in CIVITAI_WIDTHS_PX))
    return tuple(dict.fromkeys(_rendition(image_url, each) for each in wanted))


def _rendition(image_url: str, wanted: str) -> str:
    """The address with what is wanted of the picture; the one that is given where the host has no renditions."""
    parts = urlsplit(image_url)
    steps = parts.path.split("/")  # "", bucket, uuid, what is wanted of it, file name
    if parts.netloc != CIVITAI_HOST or len(steps) != 5:
        return image_url
    steps[3] = wanted
    return parts._replace(path="/".join(steps)).geturl()


def _wanted(width: int | None, height: int | None, side_px: int) -> str:
    """What a Civitai address asks for: the original where no smaller rendition is sure to be enough."""
    if not width or not height:
        return ORIGINAL
    for wide in CIVITAI_WIDTHS_PX:
        if wide <= width and min(wide, math.floor(wide * height / width)) >= side_px:
            return f"width={wide}"
    return ORIGINAL

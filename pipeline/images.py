"""Pictures: safe decoding, resizing to a square, encoding, and contact sheets to look at."""

import functools
import io
import struct
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageFile, ImageOps, UnidentifiedImageError
from pydantic import Field

from pipeline.params import Section

MAX_PIXELS = 40_000_000
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "AVIF")
GROUND = "white"  # under transparent pixels
# What Pillow raises on damaged bytes beside OSError: struct, type and attribute errors from damaged EXIF, runtime
# errors from AVIF (found by decoding mutated files of six formats).
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, TypeError, AttributeError, RuntimeError, KeyError)
Box = tuple[int, int, int, int]
Mode = Literal["centre_crop", "squash", "pad"]


class ImageParams(Section):
    """Section ``image`` of params.yaml."""

    side_px: int = Field(ge=8, le=4096)
    resize: Mode
    format: Literal["png", "jpeg", "webp"]
    quality: int = Field(ge=1, le=100)


class UndecodableError(ValueError):
    """Bytes that are no picture which we take; ``reason`` is one word for ``drop_reason``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode(content: bytes) -> Image.Image:
    """The first frame, decoded in full, as upright sRGB with transparency laid on white.

    The orientation that a camera noted (EXIF) is applied, and colours go through the picture's own ICC profile; one
    that is damaged or belongs to another kind of picture is left aside, as browsers do. Of 16-bit grey the upper 8 bits
    count.

    Args:
        content: a PNG, JPEG, GIF, BMP, WebP or AVIF file.

    Raises:
        UndecodableError: ``no_image`` (none of these formats), ``too_many_pixels`` (above 40 million, told by the
            header before anything is unpacked) or ``broken_image`` (cut off or damaged).
    """
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        with _opened(content) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise UndecodableError("too_many_pixels")
            picture.load()
            return _flatten(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError as error:
        raise UndecodableError("no_image") from error
    except Image.DecompressionBombError as error:
        raise UndecodableError("too_many_pixels") from error
    except UndecodableError:
        raise
    except BROKEN as error:
        raise UndecodableError("broken_image") from error


def _opened(content: bytes) -> ImageFile.ImageFile:
    with warnings.catch_warnings():
        # Pillow warns between 89 and 179 million pixels; the caller refuses such pictures by their header anyway.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=FORMATS)


def _flatten(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return _to_srgb(_opaque(picture), picture.info.get("icc_profile"))
    alpha = picture.convert("RGBA").getchannel("A")
    colours = _to_srgb(_opaque(picture), picture.info.get("icc_profile"))
    colours.putalpha(alpha)
    ground = Image.new("RGBA", picture.size, GROUND)
    return Image.alpha_composite(ground, colours).convert("RGB")


def _opaque(picture: Image.Image) -> Image.Image:
    """The colours alone, in the mode to which an embedded profile belongs: grey, RGB or CMYK."""
    match picture.mode:
        case "I;16" | "I;16B" | "I;16L":
            return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
        case "1" | "L" | "LA":
            return picture.convert("L")
        case "CMYK":
            return picture
    return picture.convert("RGB")


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile:
        return picture.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return picture.convert("RGB")
    assert converted is not None  # only None where the conversion is in place
    return converted


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def to_square(picture: Image.Image, side_px: int, mode: Mode) -> tuple[Image.Image, Box]:
    """Resize to ``side_px`` x ``side_px`` with Lanczos and give the part of the picture that was used.

    Args:
        picture: RGB of any size.
        side_px: side of the result.
        mode: ``centre_crop`` (the paper's recipe) cuts the largest centred square, ``squash`` keeps all and bends the
            proportions, ``pad`` keeps all and adds black bars.
    """
    width, height = picture.size
    match mode:
        case "squash":
            box = (0, 0, width, height)
        case "pad":
            box = (0, 0, width, height)
            picture = ImageOps.pad(picture, (max(width, height),) * 2, color="black")
        case "centre_crop":
            side = min(width, height)
            left, upper = (width - side) // 2, (height - side) // 2
            box = (left, upper, left + side, upper + side)
            picture = picture.crop(box)
    return picture.resize((side_px, side_px), Image.Resampling.LANCZOS), box


def encode(picture: Image.Image, config: ImageParams) -> bytes:
    """The picture as PNG, JPEG or lossless WebP; the same picture gives the same bytes."""
    stream = io.BytesIO()
    match config.format:
        case "png":
            picture.save(stream, "PNG", optimize=False)
        case "jpeg":
            picture.save(stream, "JPEG", quality=config.quality, subsampling=0)
        case "webp":
            picture.save(stream, "WEBP", lossless=True, quality=config.quality)
    return stream.getvalue()


def contact_sheet(
    pictures: Sequence[Image.Image], labels: Sequence[str], *, columns: int = 6, tile_px: int = 160, lines: int = 4
) -> Image.Image:
    """A grid of pictures with up to so many lines of text under each: what a person looks at after a stage."""
    text_px = 14 * lines
    rows = max(1, -(-len(pictures) // columns))
    sheet = Image.new("RGB", (columns * (tile_px + 8) + 8, rows * (tile_px + text_px + 8) + 8), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left = 8 + index % columns * (tile_px + 8)
        upper = 8 + index // columns * (tile_px + text_px + 8)
        sheet.paste(ImageOps.contain(picture, (tile_px, tile_px), Image.Resampling.NEAREST), (left, upper))
        pen.multiline_text((left, upper + tile_px + 2), _wrap(label, tile_px // 6, lines), fill="black", spacing=1)
    return sheet


def _wrap(text: str, width: int, lines: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder="..."))

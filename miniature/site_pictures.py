"""The files behind the sites' picture addresses: drawn when they are first asked for, the same bytes every time."""

import io
from functools import cache

from PIL import Image, ImageOps

from miniature.site_posts import Post, Shape
from miniature.world import draw

SIDE_PX = 64
LARGE_PX = 128
TINY_PX = 24
WIDE_PX = 96
COPY_SIDES_PX = (56, 72, 80, 96)
HTML_PAGE = b"<!DOCTYPE html><html><head><title>Image</title></head><body><p>This picture has moved.</p></body></html>"
TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
FORMATS = {"lexica": ("WEBP",), "civitai": ("JPEG", "JPEG", "PNG"), "stable_diffusion_online": ("JPEG",)}


@cache
def file_of(post: Post) -> tuple[bytes, str] | None:
    """Content and content type of a post's picture; None where it is missing."""
    match post.fault:
        case "missing":
            return None
        case "html_page":
            return HTML_PAGE, "text/html; charset=utf-8"
        case "truncated":
            content, kind = _encoded(post)
            return content[: 2 * len(content) // 3], kind
        case "exact_duplicate" if post.of is not None:
            return file_of(post.of)
        case "near_duplicate":
            return _recompressed(post)
    return _encoded(post)


def picture_of(post: Post) -> Image.Image:
    """The picture as it was drawn, RGB: a square of 64 pixels mostly; wider and taller ones have more ground."""
    side = {"large": LARGE_PX, "tiny": TINY_PX}.get(post.shape, SIDE_PX)
    picture = draw(post.scene, post.draw_seed, side_px=side)
    return ImageOps.expand(picture, _margin(post.shape), fill=tuple(picture.tobytes()[:3]))


def _margin(shape: Shape) -> tuple[int, int]:
    """Ground added left and right, above and below, in pixels; the picture's first pixel is ground."""
    more = (WIDE_PX - SIDE_PX) // 2
    return {"wide": (more, 0), "tall": (0, more)}.get(shape, (0, 0))


def _encoded(post: Post) -> tuple[bytes, str]:
    formats = FORMATS[post.site]
    kind = formats[post.number % len(formats)]
    stream = io.BytesIO()
    match kind:
        case "PNG":
            picture_of(post).save(stream, kind)
        case "JPEG":
            picture_of(post).save(stream, kind, quality=95, subsampling=0)
        case "WEBP":
            picture_of(post).save(stream, kind, quality=95)
    return stream.getvalue(), TYPES[kind]


def _recompressed(post: Post) -> tuple[bytes, str]:
    """The same picture once more, resized and at a low JPEG quality."""
    picture = picture_of(post)
    side = COPY_SIDES_PX[post.number % len(COPY_SIDES_PX)]
    factor = side / min(picture.size)
    size = (round(picture.width * factor), round(picture.height * factor))
    stream = io.BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).save(stream, "JPEG", quality=60)
    return stream.getvalue(), TYPES["JPEG"]


def width_and_height(post: Post) -> tuple[int, int]:
    """What the site says about the size."""
    match post.shape:
        case "wide":
            return WIDE_PX, SIDE_PX
        case "tall":
            return SIDE_PX, WIDE_PX
        case "large":
            return LARGE_PX, LARGE_PX
        case "tiny":
            return TINY_PX, TINY_PX
    return SIDE_PX, SIDE_PX

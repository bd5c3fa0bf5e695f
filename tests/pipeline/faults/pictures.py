"""Small pictures, and bytes that only look like pictures."""

import io
import struct
import zlib

from PIL import Image


def png(colour, side_px=8):
    stream = io.BytesIO()
    Image.new("RGB", (side_px, side_px), colour).save(stream, "PNG")
    return stream.getvalue()


def pixel_bomb(side_px=16_000):
    """A one-bit PNG of 256 million pixels in some kilobytes."""
    rows = zlib.compress((b"\0" + bytes(side_px // 8)) * side_px, 9)
    head = struct.pack(">IIBBBBB", side_px, side_px, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    )

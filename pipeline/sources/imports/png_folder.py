"""A folder of PNG files that the A1111 web UI wrote: prompt and settings stand in the text chunk ``parameters``."""

import io
import struct
import warnings
from collections.abc import Iterator
from hashlib import sha256
from typing import Literal

from PIL import Image

from pipeline.errors import InputError
from pipeline.sources.imports import a1111_parameters
from pipeline.sources.imports.importing import Entry, Found, ImportParams, files
from pipeline.sources.imports.values import id_of, printable
from pipeline.sources.local_pictures import address, file_content, locate
from pipeline.sources.record import Rejected, Unusable

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error)  # what Pillow raises on damaged headers


class PngFolderParams(ImportParams):
    """Settings of an import of the kind ``png_folder``."""

    kind: Literal["png_folder"]


def entries(name: str, config: PngFolderParams) -> Iterator[Found]:
    """All PNG files under the folder, by path.

    Raises:
        InputError: there is none, or the folder cannot be read.
    """
    paths = [path for path in files(config.root) if path.lower().endswith(".png")]
    if not paths:
        raise InputError(f"{config.root} has no PNG file")
    for path in paths:
        try:
            yield _entry(name, config, path)
        except Unusable as fault:
            yield Rejected(printable(path), fault.reason)


def _entry(name: str, config: PngFolderParams, path: str) -> Entry:
    content = file_content(locate(config.root, _utf8(path)))
    text, width, height = _parameters(content)
    told = a1111_parameters.parse(text)
    url = address(name, path, sha256(content).hexdigest())
    return Entry(
        place=path,
        source_id=lambda: id_of(path),
        told={**told.fields(), "width": width, "height": height},
        picture=lambda: url,
        meta={"parameters": text, "file_name": path},
    )


def _utf8(path: str) -> str:
    """A path that an address can hold; Linux allows names that are no text."""
    if printable(path) != path:
        raise Unusable("malformed")
    return path


def _parameters(content: bytes) -> tuple[str, int, int]:
    """The text chunk, and the picture's width and height in pixels; the pixels are not decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # only the header is read; clean judges
            with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
                text, size = picture.info.get("parameters"), picture.size
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise Unusable("broken_image") from error
    if not isinstance(text, str) or not text.strip():
        raise Unusable("no_parameters")
    return str(text), *size

"""Conditioning pictures of the ControlNets: files by prompt, and edges by Canny's method."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.errors import InputError
from pipeline.methods.settings import CannyParams


def files(folder: Path, prompt_id: str) -> list[Path]:
    """A prompt's files: ``<prompt id>.png``, or all of ``<prompt id>/*.png`` by name; empty where there is none."""
    single = folder / f"{prompt_id}.png"
    return [single] if single.is_file() else sorted((folder / prompt_id).glob("*.png"))


def require(folder: Path, prompt_ids: Iterable[str]) -> None:
    """Refuse a folder that lacks a prompt's picture.

    Raises:
        InputError: how many prompts have none, and the first of them.
    """
    lacking = [name for name in prompt_ids if not files(folder, name)]
    if lacking:
        raise InputError(
            f"{folder} has no picture for {len(lacking)} of the prompts: put {lacking[0]}.png (or a folder "
            f"{lacking[0]} of PNG files) there, and so on"
        )


def read(folder: Path, prompt_id: str, index: int) -> bytes:
    """The file for a prompt's picture number ``index``, from 0; after the last file comes the first again.

    Raises:
        InputError: there is none.
    """
    require(folder, [prompt_id])
    found = files(folder, prompt_id)
    return found[index % len(found)].read_bytes()


def fitted(picture: Image.Image, size: tuple[int, int], *, exact: bool = False) -> Image.Image:
    """RGB at the model's size, cut around the centre.

    Args:
        picture: of any size.
        size: width and height in pixels.
        exact: keep the pixels' own values, for edges and segments: no blends.
    """
    way = Image.Resampling.NEAREST if exact else Image.Resampling.LANCZOS
    return ImageOps.fit(picture.convert("RGB"), size, way)


def edges(picture: Image.Image, config: CannyParams) -> Image.Image:
    """Edges by Canny's method (doi 10.1109/TPAMI.1986.4767851) as OpenCV finds them, white lines of a pixel on black.

    At each pixel the colour channel that changes most decides.
    """
    import cv2

    pixels = np.asarray(picture.convert("RGB"))
    if config.blur_px:
        pixels = cv2.GaussianBlur(pixels, (0, 0), config.blur_px)
    return Image.fromarray(cv2.Canny(pixels, config.low, config.high)).convert("RGB")

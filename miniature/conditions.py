"""Condition pictures of the ControlNets: the edges of a picture, and a scene's things as flat colours by class."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from miniature import silhouettes
from miniature.world import PERSON, Scene, arrange, draw

Kind = Literal["edges", "segments"]

SEGMENTS = {
    "circle": (255, 0, 0),
    "square": (0, 255, 0),
    "triangle": (0, 0, 255),
    "star": (255, 255, 0),
    "heart": (255, 0, 255),
    PERSON: (0, 255, 255),
}
"""The colour of each class in a segment picture, on black."""

LOW, HIGH = 8.0, 20.0
"""Canny's thresholds of a gradient, in grey values (of 255) a pixel; a step of 50 gives 20."""
_SIGMA_PX = 1.0
_SUPERSAMPLING = 4
_Floats = NDArray[np.float32]
_Bools = NDArray[np.bool_]


def of_drawing(kind: Kind, scene: Scene, seed: int) -> Image.Image:
    """The condition picture that belongs to `draw(scene, seed)`."""
    return edges(draw(scene, seed)) if kind == "edges" else segments(scene, seed)


def edges(image: Image.Image) -> Image.Image:
    """Edges by Canny's method (doi 10.1109/TPAMI.1986.4767851), white lines of one pixel on black.

    Each pixel goes by the channel that changes most there, so that equally bright colours have an edge too.

    Returns:
        An RGB picture of the image's size.
    """
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    sigmas = (_SIGMA_PX, _SIGMA_PX, 0)
    along_y, along_x = (ndimage.gaussian_filter(pixels, sigmas, order) for order in ((1, 0, 0), (0, 1, 0)))
    strongest = (along_y**2 + along_x**2).argmax(-1)[..., None]
    y, x = (np.take_along_axis(values, strongest, -1)[..., 0] for values in (along_y, along_x))
    found = _connected(_thinned(np.hypot(y, x), y, x))
    return Image.fromarray(found.astype(np.uint8) * 255).convert("RGB")


def _thinned(strength: _Floats, y: _Floats, x: _Floats) -> _Floats:
    """Gradients that are the largest across their edge, in the nearest of four directions; 0 elsewhere."""
    turn = np.round(np.arctan2(y, x) / (np.pi / 4)).astype(int) % 4
    padded = np.pad(strength, 1)
    height, width = strength.shape
    kept = np.zeros_like(strength)
    for direction, (down, right) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        behind = padded[1 - down : 1 - down + height, 1 - right : 1 - right + width]
        top = (turn == direction) & (strength >= ahead) & (strength > behind)
        kept[top] = strength[top]
    return kept


def _connected(strength: _Floats) -> _Bools:
    """Lines above the low threshold that somewhere pass the high one."""
    lines, count = ndimage.label(strength >= LOW, structure=np.ones((3, 3)))
    strong = np.zeros(count + 1, dtype=bool)
    strong[np.unique(lines[strength >= HIGH])] = True
    strong[0] = False
    found: _Bools = strong[lines]
    return found


def segments(scene: Scene, seed: int, *, side_px: int = 64) -> Image.Image:
    """The things of `draw(scene, seed)` in the colour of their class, on black, without blends.

    Returns:
        An RGB picture of side_px x side_px.
    """
    big = side_px * _SUPERSAMPLING
    picture = Image.new("RGB", (big, big))
    canvas = ImageDraw.Draw(picture)
    for thing in arrange(scene, seed)[1]:
        group, (left, top, right, bottom) = thing.group, (value * big for value in thing.box)
        box = (left, top, right, bottom)
        silhouettes.paint(canvas, group.kind, group.action, box, SEGMENTS[group.kind], mirrored=thing.mirrored)
    return picture.resize((side_px, side_px), Image.Resampling.NEAREST)

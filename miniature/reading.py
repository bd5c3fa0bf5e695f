"""Reads a picture of the miniature world back by its pixels: ground, things, their colours, kinds and actions.

The ground is the colour of the rim; what differs from it falls into connected things; a thing's colour is the nearest
of the table, its kind and action the silhouette that fits best. No learning, and the prompt is not known here.
Nothing but outlines is nearly black, or clearly darker than a black ground: where there is such ink, it bounds a thing,
and what it encloses gives colour and form.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from miniature import silhouettes
from miniature.world import ACTIONS, COLOURS, GROUND_COLOURS, INK, OBJECT_COLOURS, PERSON, SHAPES

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Box = tuple[int, int, int, int]
Form = tuple[str, str | None]
"""Kind and action."""

_SIDE = 64
_GRID = 24
_RIM = 2
_FORMS: tuple[Form, ...] = (*((shape, None) for shape in SHAPES), *((PERSON, action) for action in ACTIONS))
_LEAST_DISTANCE = 50.0
"""Euclidean RGB distance from which a pixel differs from the ground."""
_LEAST_PIXELS = 14
_INK_BELOW = 95.0
"""All three channels of ink are below this; no colour of the world on another ground comes so low, blends included."""
_LEAST_LINE = 8
"""Least pixels of ink that touch each other."""
_DARKER = 22.0
"""On a black ground, ink is darker than the ground by this in all three channels."""
_LEAST_OUTLINE = 0.05
"""Least share of a piece's pixels that is ink where the piece has an outline."""
_OUTLINE_PX = 2
"""How far an outline and its blends reach into a thing, at most."""
_LEAST_BODY = 0.25
"""From which share of the way between ink and its colour a pixel belongs to the body of an outlined thing."""
_INSIDE = 0.5
"""From which share of the way between the ground's and a thing's colour a pixel belongs to the thing."""


@dataclass(frozen=True)
class Thing:
    """One object: `fit`, 0 to 1, tells how well the best silhouette fits; `box` is left, top, right, bottom of 64."""

    kind: str
    action: str | None
    colour: str
    fit: float
    box: Box


@dataclass(frozen=True)
class Reading:
    """What a picture shows; `ground_share` is the share of rim pixels that have the ground's colour."""

    ground: str
    ground_share: float
    things: tuple[Thing, ...]

    def counts(self) -> dict[tuple[str, str, str | None], int]:
        """How many things of each (kind, colour, action)."""
        found: dict[tuple[str, str, str | None], int] = {}
        for thing in self.things:
            key = (thing.kind, thing.colour, thing.action)
            found[key] = found.get(key, 0) + 1
        return found


@dataclass(frozen=True)
class _Piece:
    """A connected piece of the picture: its softened mask cut to its box, and its colour's name."""

    mask: Floats
    colour: str
    box: Box


def read(image: Image.Image) -> Reading:
    """Read a picture; another size is brought to 64 x 64 first."""
    pixels = np.asarray(image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float32)
    ground, share, colour = _ground(pixels)
    pieces = list(_pieces(pixels, colour, [name for name in OBJECT_COLOURS if name != ground]))
    return Reading(ground, share, tuple(_things(pieces)))


def _nearest(pixels: Floats, names: tuple[str, ...] | list[str]) -> NDArray[np.intp]:
    """Index of the nearest named colour for each pixel (..., 3)."""
    table = np.array([COLOURS[name] for name in names], dtype=np.float32)
    nearest: NDArray[np.intp] = np.argmin(((pixels[..., None, :] - table) ** 2).sum(-1), axis=-1)
    return nearest


def _ground(pixels: Floats) -> tuple[str, float, Floats]:
    """Name, share of the rim, and mean colour of the ground."""
    inner = np.zeros((_SIDE, _SIDE), dtype=bool)
    inner[_RIM:-_RIM, _RIM:-_RIM] = True
    rim = pixels[~inner]
    named = _nearest(rim, GROUND_COLOURS)
    winner = int(np.bincount(named, minlength=len(GROUND_COLOURS)).argmax())
    mine = named == winner
    return GROUND_COLOURS[winner], float(mine.mean()), np.median(rim[mine], axis=0).astype(np.float32)


def _pieces(pixels: Floats, ground: Floats, colours: list[str]) -> Iterator[_Piece]:
    """Connected pieces that differ from the ground, from top to bottom."""
    distance = np.sqrt(((pixels - ground) ** 2).sum(-1))
    ink = _ink(pixels, ground)
    labels, _ = ndimage.label(_filled((distance > _LEAST_DISTANCE) | ink, ink))
    for index, place in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[place] == index
        lines = _outline(inside, ink[place])
        shares = _shares(distance[place], inside, lines)
        solids, _ = ndimage.label(_filled(inside & (shares > _INSIDE), lines))
        for solid, part in enumerate(ndimage.find_objects(solids), start=1):
            mask = solids[part] == solid
            if mask.sum() >= _LEAST_PIXELS:
                softened, colour = _piece(pixels[place][part], mask, shares[part], lines[part] & mask)
                yield _Piece(softened, colours[int(_nearest(colour, colours))], _box(place, part))


def _ink(pixels: Floats, ground: Floats) -> Bools:
    """Pixels that only an outline has: a line of them, not the odd one of a noisy picture."""
    light = ground.max() >= _INK_BELOW
    dark: Bools = np.all(pixels < (_INK_BELOW if light else ground - _DARKER), axis=-1)
    lines, _ = ndimage.label(dark, structure=np.ones((3, 3)))
    long = np.bincount(lines.ravel()) >= _LEAST_LINE
    long[0] = False
    found: Bools = long[lines]
    return found


def _outline(inside: Bools, ink: Bools) -> Bools:
    """The ink of a piece; a few dark pixels make no outline."""
    lines = inside & ink
    return lines if lines.sum() >= _LEAST_OUTLINE * inside.sum() else np.zeros_like(lines)


def _shares(distance: Floats, inside: Bools, lines: Bools) -> Floats:
    """For each pixel how far it is from the ground (0) to the thing (1); ink is the thing."""
    body = inside & ~lines
    far = max(_LEAST_DISTANCE, float(np.percentile(distance[body if body.any() else inside], 80)))
    shares: Floats = np.clip(distance / far, 0, 1)
    return np.where(lines, np.float32(1), shares)


def _filled(solid: Bools, lines: Bools) -> Bools:
    """What outlines enclose belongs to them, also the blends of ink and colour that happen to look like the ground."""
    return ndimage.binary_fill_holes(solid) if lines.any() else solid


def _piece(pixels: Floats, solid: Bools, shares: Floats, lines: Bools) -> tuple[Floats, Floats]:
    """A solid piece's softened mask, and the colour (3,) of what in it is neither rim nor outline."""
    outlined = bool(lines.any())
    core = _within(pixels, solid, lines) if outlined else solid & (shares >= 0.8 * shares[solid].max())
    colour = np.median(pixels[core], axis=0).astype(np.float32)
    mask = _body(pixels, solid, colour) if outlined else shares * ndimage.binary_dilation(solid)
    return mask.astype(np.float32), colour


def _body(pixels: Floats, solid: Bools, colour: Floats) -> Floats:
    """Soft mask of an outlined piece without its outline, cut to its own box: 1 for its colour, 0 for ink."""
    reach = max(1.0, float(np.linalg.norm(colour - np.array(INK, dtype=np.float32))))
    away = np.linalg.norm(pixels - colour, axis=-1) / reach
    closeness = np.clip(1.8 - 2 * away, 0, 1)  # steep, so that a soft picture keeps the corners of its squares
    masks: list[Floats] = [closeness * ndimage.binary_erosion(solid), closeness * solid, solid.astype(np.float32)]
    body = next(mask for mask in masks if (mask > _LEAST_BODY).any())
    cut: Floats = body[ndimage.find_objects((body > _LEAST_BODY).astype(int))[0]]
    return cut


def _within(pixels: Floats, solid: Bools, lines: Bools) -> Bools:
    """Of the inside of an outlined piece (of one too thin, of what is not ink, else of all) the half far from ink."""
    inner = ndimage.binary_erosion(solid, iterations=_OUTLINE_PX) & ~lines
    core = next(part for part in (inner, solid & ~lines, solid) if part.any())
    brightness = np.linalg.norm(pixels - np.array(INK, dtype=np.float32), axis=-1)
    half: Bools = core & (brightness >= np.median(brightness[core]))
    return half


def _box(place: Any, part: Any) -> Box:
    """Left, top, right, bottom of a part of a place, both given as (rows, columns)."""
    y, x = place[0].start, place[1].start
    return x + part[1].start, y + part[0].start, x + part[1].stop, y + part[0].stop


def _things(pieces: list[_Piece]) -> Iterator[Thing]:
    """Name each piece; pieces of one colour are one group and vote for one form together."""
    fits = [_fits(piece.mask) for piece in pieces]
    for colour in sorted({piece.colour for piece in pieces}):
        members = [index for index, piece in enumerate(pieces) if piece.colour == colour]
        total = np.mean([fits[index] for index in members], axis=0)
        best = int(total.argmax())
        kind, action = _FORMS[best]
        for index in members:
            yield Thing(kind, action, colour, float(fits[index][best]), pieces[index].box)


def _fits(mask: Floats) -> Floats:
    """How well each form fits: overlap over union of soft masks, less where proportions differ."""
    height, width = mask.shape
    scaled = Image.fromarray(mask).resize((_GRID, _GRID), Image.Resampling.BILINEAR)
    grid = np.asarray(scaled, dtype=np.float32)
    templates, forms, ratios = _templates()
    overlap = np.minimum(templates, grid).sum((1, 2)) / np.maximum(templates, grid).sum((1, 2))
    fit = overlap * np.exp(-np.abs(np.log(width / height / ratios)))
    return np.array([fit[forms == index].max() for index in range(len(_FORMS))], dtype=np.float32)


@cache
def _templates() -> tuple[Floats, NDArray[np.intp], Floats]:
    """Grids, index of the form and width by height of every silhouette, each also mirrored."""
    grids, forms, ratios = [], [], []
    for index, (kind, action) in enumerate(_FORMS):
        width, height = silhouettes.fitted_size(kind, action, 1.0, 1.0)
        for mirrored in (False, True):
            grids.append(_template(kind, action, mirrored=mirrored))
            forms.append(index)
            ratios.append(width / height)
    return np.stack(grids), np.array(forms), np.array(ratios, dtype=np.float32)


def _template(kind: str, action: str | None, *, mirrored: bool) -> Floats:
    scale = 8
    width, height = silhouettes.fitted_size(kind, action, _GRID * scale, _GRID * scale)
    canvas = Image.new("L", (round(width), round(height)))
    silhouettes.paint(ImageDraw.Draw(canvas), kind, action, (0, 0, *canvas.size), 255, mirrored=mirrored)
    return np.asarray(canvas.resize((_GRID, _GRID), Image.Resampling.BOX), dtype=np.float32) / np.float32(255)

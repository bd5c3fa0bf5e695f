"""Silhouettes of everything the world can show: five shapes and a simple figure in six poses.

A silhouette is a list of parts in body units (x to the right, y downwards, any origin); `paint` scales it into a box
and keeps its proportions. Drawing and the oracle's templates share this one source.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PIL import ImageDraw

Point = tuple[float, float]
Box = tuple[float, float, float, float]
Fill = int | tuple[int, int, int]

_HEAD = 0.14
_TORSO = 0.22
_LIMB = 0.13


@dataclass(frozen=True)
class Stroke:
    """A line with round ends and joints; `width` in body units."""

    points: tuple[Point, ...]
    width: float


@dataclass(frozen=True)
class Disc:
    """A filled circle; `radius` in body units."""

    centre: Point
    radius: float


@dataclass(frozen=True)
class Area:
    """A filled polygon."""

    points: tuple[Point, ...]


Part = Stroke | Disc | Area


def _spokes(radii: Sequence[float], *, turn: float = -math.pi / 2) -> tuple[Point, ...]:
    """Points around the origin at equal angles, the first one at the top."""
    step = 2 * math.pi / len(radii)
    return tuple((r * math.cos(turn + i * step), r * math.sin(turn + i * step)) for i, r in enumerate(radii))


def _heart() -> tuple[Part, ...]:
    return (Disc((-0.25, -0.2), 0.28), Disc((0.25, -0.2), 0.28), Area(((-0.5, -0.08), (0.5, -0.08), (0.0, 0.52))))


_SHAPES: dict[str, tuple[Part, ...]] = {
    "circle": (Disc((0.0, 0.0), 0.5),),
    "square": (Area(((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))),),
    "triangle": (Area(((0.0, -0.5), (0.58, 0.5), (-0.58, 0.5))),),
    "star": (Area(_spokes([0.55, 0.23] * 5)),),
    "heart": _heart(),
}


def _body(head: Point, torso: tuple[Point, Point], *limbs: tuple[Point, ...]) -> tuple[Part, ...]:
    return (Disc(head, _HEAD), Stroke(torso, _TORSO), *(Stroke(limb, _LIMB) for limb in limbs))


_LEGS = (((0.0, 0.6), (-0.11, 0.97)), ((0.0, 0.6), (0.11, 0.97)))
_POSES: dict[str, tuple[Part, ...]] = {
    "standing": _body(
        (0.0, 0.12), ((0.0, 0.36), (0.0, 0.6)), ((0.0, 0.33), (-0.2, 0.62)), ((0.0, 0.33), (0.2, 0.62)), *_LEGS
    ),
    "waving": _body(
        (0.0, 0.12),
        ((0.0, 0.36), (0.0, 0.6)),
        ((0.0, 0.33), (-0.2, 0.62)),
        ((0.0, 0.36), (0.3, 0.3), (0.36, -0.1)),
        *_LEGS,
    ),
    "jumping": _body(
        (0.0, 0.12),
        ((0.0, 0.36), (0.0, 0.56)),
        ((0.0, 0.36), (-0.38, 0.0)),
        ((0.0, 0.36), (0.38, 0.0)),
        ((0.0, 0.58), (-0.36, 0.7), (-0.36, 0.95)),
        ((0.0, 0.58), (0.36, 0.7), (0.36, 0.95)),
    ),
    "running": _body(
        (0.2, 0.12),
        ((0.12, 0.36), (0.0, 0.58)),
        ((0.12, 0.36), (0.32, 0.5), (0.5, 0.36)),
        ((0.12, 0.36), (-0.16, 0.36), (-0.28, 0.54)),
        ((0.0, 0.6), (0.28, 0.68), (0.24, 0.96)),
        ((0.0, 0.6), (-0.16, 0.84), (-0.46, 0.84)),
    ),
    "sitting": _body(
        (-0.12, 0.12),
        ((-0.12, 0.36), (-0.14, 0.64)),
        ((-0.12, 0.38), (0.2, 0.48)),
        ((-0.14, 0.7), (0.3, 0.7), (0.3, 0.98)),
    ),
    "lying": (
        Disc((0.0, 0.0), _HEAD),
        Stroke(((0.25, 0.03), (0.5, 0.03)), _TORSO),
        Stroke(((0.5, 0.05), (0.95, 0.08)), 0.17),
    ),
}


def parts(kind: str, action: str | None) -> tuple[Part, ...]:
    """The parts of a shape, or of a figure (`kind` "person") in the pose of `action`.

    Raises:
        KeyError: for an unknown kind or action.
    """
    return _POSES[action] if kind == "person" and action is not None else _SHAPES[kind]


def _part_box(part: Part) -> Box:
    match part:
        case Disc(centre=(x, y), radius=r):
            return x - r, y - r, x + r, y + r
        case Stroke(points=points, width=width):
            reach = width / 2
        case Area(points=points):
            reach = 0.0
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return min(xs) - reach, min(ys) - reach, max(xs) + reach, max(ys) + reach


@cache
def bounds(kind: str, action: str | None) -> Box:
    """Left, top, right and bottom of a silhouette in body units."""
    boxes = [_part_box(part) for part in parts(kind, action)]
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)


def fitted_size(kind: str, action: str | None, width: float, height: float) -> tuple[float, float]:
    """Width and height of a silhouette scaled into a room of `width` by `height`, proportions kept."""
    left, top, right, bottom = bounds(kind, action)
    scale = min(width / (right - left), height / (bottom - top))
    return (right - left) * scale, (bottom - top) * scale


def paint(
    canvas: ImageDraw.ImageDraw,
    kind: str,
    action: str | None,
    box: Box,
    fill: Fill,
    *,
    mirrored: bool = False,
    rim_px: float = 0.0,
) -> None:
    """Fill a silhouette into a box.

    Args:
        canvas: where to paint.
        kind: a shape, or "person".
        action: the pose of a person, None for shapes.
        box: left, top, right, bottom in pixels of the canvas; the silhouette is stretched to it.
        fill: colour or grey value.
        mirrored: swap left and right.
        rim_px: how far the silhouette is widened beyond the box, on all sides, in pixels of the canvas.
    """
    left, top, right, bottom = bounds(kind, action)
    scale_x, scale_y = (box[2] - box[0]) / (right - left), (box[3] - box[1]) / (bottom - top)

    def at(point: Point) -> Point:
        along = right - point[0] if mirrored else point[0] - left
        return box[0] + along * scale_x, box[1] + (point[1] - top) * scale_y

    for part in parts(kind, action):
        match part:
            case Disc(centre=centre, radius=radius):
                _dot(canvas, at(centre), radius * scale_x + rim_px, radius * scale_y + rim_px, fill)
            case Area(points=points):
                _area(canvas, [at(p) for p in points], rim_px, fill)
            case Stroke(points=points, width=width):
                _line(canvas, [at(p) for p in points], width * (scale_x + scale_y) / 2 + 2 * rim_px, fill)


def _area(canvas: ImageDraw.ImageDraw, points: list[Point], rim_px: float, fill: Fill) -> None:
    canvas.polygon(points, fill=fill)
    if rim_px:
        _line(canvas, [*points, points[0]], 2 * rim_px, fill)


def _dot(canvas: ImageDraw.ImageDraw, centre: Point, reach_x: float, reach_y: float, fill: Fill) -> None:
    x, y = centre
    canvas.ellipse((x - reach_x, y - reach_y, x + reach_x, y + reach_y), fill=fill)


def _line(canvas: ImageDraw.ImageDraw, points: list[Point], width: float, fill: Fill) -> None:
    canvas.line(points, fill=fill, width=max(1, round(width)))
    for point in points:
        _dot(canvas, point, width / 2, width / 2, fill)

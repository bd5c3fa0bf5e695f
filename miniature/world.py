"""The drawn world: counted, coloured shapes and figures on a coloured ground.

A `Scene` is the truth of a picture; `draw` makes the picture. One composition in eight is held out by a digest of
its content: evaluation prompts come from those, training pictures and the records of the sites never do.
"""

import hashlib
import random
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw

from miniature import silhouettes

Colour = tuple[int, int, int]
Style = Literal["flat", "cartoon"]

COLOURS: dict[str, Colour] = {
    "red": (218, 30, 38),
    "orange": (250, 130, 10),
    "yellow": (250, 225, 40),
    "green": (30, 150, 60),
    "blue": (30, 75, 215),
    "purple": (130, 35, 165),
    "pink": (250, 150, 200),
    "white": (248, 248, 248),
    "black": (16, 16, 18),
    "grey": (132, 132, 136),
}
OBJECT_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
GROUND_COLOURS = ("black", "white", "grey", "blue", "green", "yellow")
INK: Colour = (20, 14, 18)
"""The outlines of the cartoon style; on its black ground, which is a dark slate, they still show."""
CARTOON_GROUNDS: dict[str, Colour] = {
    "black": (56, 52, 66),
    "white": (255, 246, 222),
    "grey": (152, 148, 158),
    "blue": (70, 120, 250),
    "green": (64, 180, 80),
    "yellow": (255, 220, 75),
}
"""The cartoon's grounds: each is nearest to the colour that its name has in the flat style."""
SHAPES = ("circle", "square", "triangle", "star", "heart")
PERSON = "person"
KINDS = (*SHAPES, PERSON)
ACTIONS = ("standing", "jumping", "running", "sitting", "lying", "waving")
MAX_COUNT = 7
MAX_PEOPLE = 2
MAX_PAIRED = 3
"""Most objects of one group in a scene of two groups."""

_HELD_OUT_ONE_IN = 8
_SUPERSAMPLING = 4
_SHADE = 8
_OUTLINE = 0.03
"""Width of an outline in units of the picture's side: 1.5 of 64 pixels."""
_ROWS = {1: (1,), 2: (2,), 3: (1, 2), 4: (2, 2), 5: (2, 1, 2), 6: (3, 3), 7: (2, 3, 2)}


@dataclass(frozen=True)
class Group:
    """Equal objects: `count` things of one kind and colour; only people have an action.

    Raises:
        ValueError: when a value is outside the world's tables.
    """

    count: int
    kind: str
    colour: str
    action: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if self.kind not in KINDS or self.colour not in OBJECT_COLOURS:
            raise ValueError(f"unknown kind or colour: {self.kind}, {self.colour}")
        if (self.kind == PERSON) != (self.action in ACTIONS):
            raise ValueError(f"a person needs an action, a shape has none: {self.kind}, {self.action}")
        if not 1 <= self.count <= (MAX_PEOPLE if self.kind == PERSON else MAX_COUNT):
            raise ValueError(f"count out of range for {self.kind}: {self.count}")


@dataclass(frozen=True)
class Placed:
    """One object of a picture: its box in units of the picture's side, its shade, and whether left and right swap."""

    group: Group
    box: silhouettes.Box
    shade: Colour
    mirrored: bool


@dataclass(frozen=True)
class Scene:
    """One or two groups on a ground; the truth of a picture.

    Raises:
        ValueError: for an unknown ground, a ground of an object's colour, or two groups of one colour, with people or
            with more than three objects each.
    """

    groups: tuple[Group, ...]
    ground: str

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn or told apart."""
        colours = {group.colour for group in self.groups}
        if self.ground not in GROUND_COLOURS or self.ground in colours:
            raise ValueError(f"ground must be one of {GROUND_COLOURS} and no object's colour, got {self.ground}")
        if not 1 <= len(self.groups) <= 2 or len(colours) != len(self.groups):
            raise ValueError("a scene has one group, or two of different colours")
        if len(self.groups) == 2 and any(g.kind == PERSON or g.count > MAX_PAIRED for g in self.groups):
            raise ValueError(f"two groups hold at most {MAX_PAIRED} shapes each and no people")


def composition(scene: Scene) -> str:
    """A canonical line of a scene's content; the order of its groups does not matter."""
    groups = sorted(f"{g.count} {g.colour} {g.kind} {g.action or '-'}" for g in scene.groups)
    return " + ".join(groups) + f" on {scene.ground}"


def is_held_out(scene: Scene) -> bool:
    """Whether the composition is kept for evaluation: one in eight, by SHA-256 of its canonical line."""
    digest = hashlib.sha256(composition(scene).encode()).digest()
    return int.from_bytes(digest[:8], "big") % _HELD_OUT_ONE_IN == 0


def any_scene(rng: random.Random) -> Scene:
    """A random scene of either split: shapes and people in 5 of 12 each, two groups in 2 of 12."""
    ground = rng.choice(GROUND_COLOURS)
    colours = rng.sample([colour for colour in OBJECT_COLOURS if colour != ground], 2)
    draw_of = rng.random() * 12
    if draw_of < 2:
        groups = [Group(rng.randint(1, MAX_PAIRED), rng.choice(SHAPES), colour) for colour in colours]
        return Scene(tuple(groups), ground)
    if draw_of < 7:
        return Scene((Group(rng.randint(1, MAX_PEOPLE), PERSON, colours[0], rng.choice(ACTIONS)),), ground)
    return Scene((Group(rng.randint(1, MAX_COUNT), rng.choice(SHAPES), colours[0]),), ground)


def sample_scene(rng: random.Random) -> Scene:
    """A random scene for training and for scraped records, never a held-out composition."""
    while is_held_out(scene := any_scene(rng)):
        pass
    return scene


def sample_held_out_scene(rng: random.Random) -> Scene:
    """A random scene of the held-out compositions."""
    while not is_held_out(scene := any_scene(rng)):
        pass
    return scene


def draw(scene: Scene, seed: int, *, side_px: int = 64, style: Style = "flat") -> Image.Image:
    """The picture of a scene.

    Args:
        scene: what to show.
        seed: decides places, sizes, mirroring and a slight shade of each colour.
        side_px: side of the square picture in pixels.
        style: "flat" fills each object with its colour; "cartoon" puts a dark line around it, on grounds of its own.

    Returns:
        An RGB picture of side_px x side_px. The same arguments give the same pixels; both styles put the same objects
        at the same places. Objects never touch.
    """
    big = side_px * _SUPERSAMPLING
    ground, objects = arrange(scene, seed, style=style)
    picture = Image.new("RGB", (big, big), ground)
    canvas = ImageDraw.Draw(picture)
    for thing in objects:
        _paint(canvas, thing, big, style)
    return picture.reduce(_SUPERSAMPLING)


def arrange(scene: Scene, seed: int, *, style: Style = "flat") -> tuple[Colour, list[Placed]]:
    """The shade of the ground and every object's place, as `draw` paints them."""
    rng = random.Random(seed)
    ground = _shade((CARTOON_GROUNDS if style == "cartoon" else COLOURS)[scene.ground], rng)
    groups = list(scene.groups)
    rng.shuffle(groups)
    shades = [_shade(COLOURS[group.colour], rng) for group in groups]
    objects = []
    for member, cell in zip(_members(groups), _cells(groups), strict=True):
        box = _place(groups[member], cell, rng)
        objects.append(Placed(groups[member], box, shades[member], rng.random() < 0.5))
    return ground, objects


def _shade(colour: Colour, rng: random.Random) -> Colour:
    """The colour with each channel moved a little, so that no two pictures are alike."""
    red, green, blue = (min(255, max(0, value + rng.randint(-_SHADE, _SHADE))) for value in colour)
    return red, green, blue


def _members(groups: list[Group]) -> list[int]:
    """For every object the index of its group, in the order of the cells."""
    return [index for index, group in enumerate(groups) for _ in range(group.count)]


def _cells(groups: list[Group]) -> list[silhouettes.Box]:
    """One cell an object, in units of the picture's side: two groups are two rows, people stand in line."""
    if len(groups) == 2:
        return _grid((groups[0].count, groups[1].count))
    group = groups[0]
    if group.kind == PERSON:
        return _grid((1,) * group.count if group.action == "lying" else (group.count,))
    return _grid(_ROWS[group.count])


def _grid(rows: tuple[int, ...]) -> list[silhouettes.Box]:
    """Cells of rows with so many columns each, over the whole picture."""
    height = 1 / len(rows)
    return [
        (column / columns, row * height, (column + 1) / columns, (row + 1) * height)
        for row, columns in enumerate(rows)
        for column in range(columns)
    ]


def _place(group: Group, cell: silhouettes.Box, rng: random.Random) -> silhouettes.Box:
    """A box inside the cell, with room left on all sides, jittered in size and place."""
    limit = 0.86 if group.kind == PERSON else 0.56
    share = rng.uniform(0.76, 0.88)
    room_x, room_y = cell[2] - cell[0], cell[3] - cell[1]
    width, height = silhouettes.fitted_size(
        group.kind, group.action, min(limit, room_x) * share, min(limit, room_y) * share
    )
    slack_x, slack_y = (min(0.12, (room - size) / 2 - 0.025) for room, size in ((room_x, width), (room_y, height)))
    x = (cell[0] + cell[2]) / 2 + rng.uniform(-slack_x, slack_x)
    y = (cell[1] + cell[3]) / 2 + rng.uniform(-slack_y, slack_y)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _paint(canvas: ImageDraw.ImageDraw, thing: Placed, side_px: int, style: Style) -> None:
    """Fill an object into its box of a canvas with that side; a cartoon's outline stays inside the box too."""
    left, top, right, bottom = (value * side_px for value in thing.box)
    kind, action, mirrored = thing.group.kind, thing.group.action, thing.mirrored
    line = _OUTLINE * side_px if style == "cartoon" else 0.0
    box = (left + line, top + line, right - line, bottom - line)
    if line:
        silhouettes.paint(canvas, kind, action, box, INK, mirrored=mirrored, rim_px=line)
    silhouettes.paint(canvas, kind, action, box, thing.shade, mirrored=mirrored)

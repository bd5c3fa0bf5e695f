"""The sheet of stage ``sample``: the first picture of some prompts, its arms side by side from the same noise."""

from collections.abc import Iterator, Sequence
from typing import Protocol, get_args

from PIL import Image, ImageDraw

from pipeline import arms, images
from pipeline.methods.settings import CONTROLNETS, PLAIN, MethodName
from pipeline.shots import Shot

Tile = tuple[Image.Image, str]
NAME_PX = 160
LINES = 7
"""Of text below a tile: a prompt in the words of a training set is long."""
NOTHING: Tile = (Image.new("RGB", (8, 8), "white"), "")


class Pictures(Protocol):
    """Gives the PNGs of shots, as :meth:`pipeline.gallery.Gallery.pictures`."""

    def __call__(self, wanted: Sequence[Shot], column: str = "image") -> list[bytes]:
        """In their order."""


def draw(prompt_ids: Sequence[str], planned: Sequence[Shot], pictures: Pictures) -> Image.Image:
    """Two prompts a line where there is plain sampling alone; else a line for each method of each prompt.

    Args:
        prompt_ids: shown, in this order.
        planned: all shots.
        pictures: gives their pictures.
    """
    shown = sorted({shot.arm for shot in planned}, key=arms.ORDER.index)
    methods = sorted({shot.method for shot in planned}, key=get_args(MethodName).index)
    first = {(shot.prompt.id, shot.method, shot.arm): shot for shot in planned if shot.index == 0}
    lines = [[first.get((name, method, arm)) for arm in shown] for name in prompt_ids for method in methods]
    if methods == [PLAIN]:
        tiles = [_tile(shot, pictures) for line in lines for shot in line]
        columns = 2 * len(shown)
    else:
        tiles = [tile for line in lines for tile in _line(line, pictures)]
        columns = 1 + len(shown)
    labels = [label for _, label in tiles]
    return images.contact_sheet([picture for picture, _ in tiles], labels, columns=columns, lines=LINES)


def _line(line: Sequence[Shot | None], pictures: Pictures) -> Iterator[Tile]:
    """What a method was shown beside the prompt, and its arms."""
    known = next(shot for shot in line if shot is not None)
    if known.method in CONTROLNETS:
        [shown] = pictures([known], "condition")
        yield images.decode(shown), f"shown to {known.method}"
    else:
        yield _named(known.method), ""
    for shot in line:
        yield _tile(shot, pictures)


def _named(method: MethodName) -> Image.Image:
    """A line's name where its first tile would be empty."""
    named = Image.new("RGB", (NAME_PX, NAME_PX), "white")
    middle = NAME_PX // 2
    ImageDraw.Draw(named).text((middle, middle), method, fill="black", anchor="mm", font_size=22)
    return named


def _tile(shot: Shot | None, pictures: Pictures) -> Tile:
    if shot is None:  # an arm that this prompt or method has not: its place stays empty
        return NOTHING
    [picture] = pictures([shot])
    method = "" if shot.method == PLAIN else f", {shot.method}"
    return images.decode(picture), f"{shot.arm}{method}: {shot.text}"

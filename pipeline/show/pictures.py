"""Which stages ``sur show`` draws pictures of, and with which options."""

from pathlib import Path

from pipeline.errors import InputError
from pipeline.show import captions, layers, scores
from pipeline.show.listing import DATA

COUNT, SEED = 24, 0
SHEETS = ("caption", "clip_filter")
"""Stages with contact sheets: options mean something for these alone."""


def draw(name: str, target: Path, *, count: int | None = None, seed: int | None = None, data: Path = DATA) -> list[str]:
    """Draw a stage's pictures and give the lines that say where they are; none for stages without any.

    Args:
        name: the stage.
        target: the folder that the pictures are written into.
        count: pictures a contact sheet (24).
        seed: of the rows that are drawn at random (0).
        data: the folder of all stages' outputs.

    Raises:
        InputError: an option was given that means nothing for this stage, or one of its tables is missing.
    """
    refuse_options(name, count=count, seed=seed)
    count, seed = COUNT if count is None else count, SEED if seed is None else seed
    match name:
        case "caption":
            return _said(captions.draw(data, target, count, seed))
        case "clip_filter":
            return _said(scores.draw(data, target, count, seed))
        case "embed":
            table, paths = layers.draw(data, target)
            return [*table, *_said(paths)]
    return []


def refuse_options(name: str, *, count: int | None, seed: int | None) -> None:
    """Refuse options that mean nothing.

    Raises:
        InputError: one line with the option.
    """
    given = [f"--{option}" for option, value in (("count", count), ("seed", seed)) if value is not None]
    if given and name not in SHEETS:
        raise InputError(f"{' and '.join(given)} for contact sheets alone, which are those of {' and '.join(SHEETS)}")


def _said(paths: list[Path]) -> list[str]:
    return [f"drawn: {path}" for path in paths]

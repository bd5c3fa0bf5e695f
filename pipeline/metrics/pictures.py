"""Which pictures the evaluation is about: the one place that reads the sampler's manifest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pyarrow as pa

from pipeline import tables
from pipeline.generated import MANIFEST
from pipeline.methods.settings import MethodName
from pipeline.tables import KEY

CELL = tuple(name for name in ("model", "method") if name in MANIFEST.names)
"""Columns that tell who made a picture, where the manifest has them."""
METHODS: tuple[str, ...] = get_args(MethodName)
Place = tuple[str, str, int]
"""Cell, prompt and index: where one picture of each arm belongs."""


@dataclass(frozen=True)
class Picture:
    """Where a generated image belongs.

    Args:
        cell: model and method that made it; arms are compared within a cell alone.
    """

    sample_id: str
    arm: str
    prompt_id: str
    type: str
    index: int
    sha256: str = ""
    cell: str = ""

    @property
    def place(self) -> Place:
        """What the pictures of one pair share."""
        return self.cell, self.prompt_id, self.index


def read(path: Path) -> list[Picture]:
    """All pictures of a manifest, in its order."""
    return from_table(tables.read(path, MANIFEST))


def from_table(manifest: pa.Table) -> list[Picture]:
    """All pictures of table MANIFEST, in its order."""
    columns = [KEY, "arm", "prompt_id", "type", "index", "sha256"]
    rows = manifest.select([*columns, *CELL]).to_pylist()
    return [Picture(**{name: row[name] for name in columns}, cell=" ".join(row[name] for name in CELL)) for row in rows]


def by_place(pictures: Iterable[Picture]) -> dict[Place, dict[str, Picture]]:
    """Place -> arm -> picture, places in order."""
    found: dict[Place, dict[str, Picture]] = {}
    for picture in sorted(pictures, key=lambda picture: picture.place):
        found.setdefault(picture.place, {})[picture.arm] = picture
    return found


def cells(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    """Cell -> its pictures; cells in the order of the paper's tables, which the report has too."""
    found: dict[str, list[Picture]] = {}
    for picture in pictures:
        found.setdefault(picture.cell, []).append(picture)
    return dict(sorted(found.items(), key=lambda item: (*_place(method(item[0])), item[0])))


def _place(name: str) -> tuple[bool, int]:
    """Of a method among all; a manifest without methods has none."""
    return (name not in METHODS, METHODS.index(name) if name in METHODS else 0)


def method(cell: str) -> str:
    """The method of a cell; all cells of an evaluation have the same model."""
    return cell.rpartition(" ")[2]


def digests(pictures: Iterable[Picture]) -> Mapping[str, str]:
    """sample_id -> SHA-256 of the picture's bytes."""
    return {picture.sample_id: picture.sha256 for picture in pictures}

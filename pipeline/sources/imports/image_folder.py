"""SURD, or any Hugging Face ImageFolder: pictures, and beside them ``metadata.jsonl``, ``.csv`` or ``.parquet``.

``file_name`` is relative to the metadata file's folder and may lack its ending, as it does in SURD. In SURD's rows
``prompt`` is the complex prompt and ``text`` BLIP's caption, which stays in ``meta_json``.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.errors import InputError
from pipeline.sources.imports.importing import (
    Columns,
    Entry,
    Found,
    ImportParams,
    file_address,
    files,
    mapped,
    table_file,
)
from pipeline.sources.imports.row_files import KINDS, Row, rows
from pipeline.sources.imports.values import id_of, printable, row_id
from pipeline.sources.local_pictures import locate
from pipeline.sources.record import Rejected, Unusable, as_text

ENDINGS = ("", ".png", ".jpg", ".jpeg", ".webp")
FILE_NAME = "file_name"


class ImageFolderParams(ImportParams):
    """Settings of an import of the kind ``image_folder``."""

    kind: Literal["image_folder"]

    columns: Columns
    """Which column tells which field, at least ``prompt``; SURD: ``{prompt: prompt}``."""


def entries(name: str, config: ImageFolderParams) -> Iterator[Found]:
    """The rows of all metadata files under the folder.

    Raises:
        InputError: there is no metadata file, there are two in one folder, or one cannot be read or is a link.
    """
    for metadata in _metadata_files(config.root):
        for number, row in enumerate(rows(table_file(config.root, str(metadata))), start=1):
            yield _entry(name, config, metadata, f"{printable(str(metadata))}#{number}", row)


def _metadata_files(root: Path) -> list[PurePosixPath]:
    named = [PurePosixPath(path) for path in files(root)]
    found = [path for path in named if path.stem == "metadata" and path.suffix in KINDS]
    if not found:
        raise InputError(f"{root} has no metadata.jsonl, metadata.csv or metadata.parquet with a column {FILE_NAME}")
    for folder, count in Counter(path.parent for path in found).items():
        if count > 1:
            raise InputError(f"{root / folder} has {count} metadata files: leave the one that is to be read")
    return found


def _entry(name: str, config: ImageFolderParams, metadata: PurePosixPath, place: str, row: Row) -> Found:
    if isinstance(row, str):
        return Rejected(place, row)
    file_name = as_text(row.get(FILE_NAME))
    if file_name is None:
        return Rejected(place, "no_file_name")
    try:
        path = _existing(config.root, metadata.parent, file_name)
    except Unusable as fault:
        return Rejected(place, fault.reason)
    told, meta = mapped(row, config.columns)
    return Entry(
        place=place,
        source_id=lambda: row_id(told, id_of(path)),
        told=told,
        picture=lambda: file_address(name, config.root, path),
        meta=meta,
    )


def _existing(root: Path, folder: PurePosixPath, file_name: str) -> str:
    """The picture's path under the root, with the ending that the row may have left out."""
    for ending in ENDINGS:
        path = "/".join([*folder.parts, *(step for step in file_name.split("/") if step != ".")]) + ending
        try:
            locate(root, path)
        except Unusable as fault:
            if fault.reason != "picture_missing":
                raise
        else:
            return path
    raise Unusable("picture_missing")

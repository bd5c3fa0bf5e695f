"""What all imports share: settings, the fields that a row may tell, and the record that they become."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from pipeline.errors import InputError
from pipeline.params import Positive, Section
from pipeline.sources.imports.values import as_rating, as_time, plain_values, printable
from pipeline.sources.local_pictures import SENTENCES, address, file_content, locate
from pipeline.sources.prompt_syntax import both
from pipeline.sources.record import (
    INT64,
    Record,
    Rejected,
    Unusable,
    Walk,
    as_float,
    as_int,
    as_json,
    as_text,
    author_hash,
)

RowField = Literal[
    "id",
    "prompt",
    "negative_prompt",
    "model",
    "sampler",
    "steps",
    "cfg",
    "seed",
    "width",
    "height",
    "author",
    "created_at",
    "nsfw_level",
    "page_url",
]


def _with_prompt(columns: dict[RowField, str]) -> dict[RowField, str]:
    if "prompt" not in columns:
        raise ValueError("must name the column of the field prompt")
    return columns


Columns = Annotated[dict[RowField, Annotated[str, Field(min_length=1)]], AfterValidator(_with_prompt)]


class ImportParams(Section):
    """Settings that every import has: a section of a name of your own under ``sources``."""

    path: str = Field(min_length=1)
    """Folder (or Parquet file) on this machine; DVC does not watch it, ``revision`` stands for its content.

    Absolute or from ``~``: queued experiments run in a folder of their own.
    """

    revision: str = Field(min_length=1)
    """A name for the state of the files, such as a date: another one makes ``dvc repro`` read them again."""

    access_basis: str = Field(min_length=1)
    """Why a program may read this: a licence, terms that you accepted, pictures of your own."""

    licence: str = Field(min_length=1)
    """The licence of pictures and prompts, as an SPDX name where there is one."""

    licence_url: str = Field(pattern=r"^https://\S+$")
    """Where that licence or those terms stand."""

    page_url: str = Field(pattern=r"^https://\S+$")
    """The collection's page, for rows that do not tell their own."""

    max_records: Positive
    """The import ends after so many rows."""

    @property
    def root(self) -> Path:
        """The folder that no picture may lie outside of."""
        path = Path(self.path).expanduser()
        return path.parent if path.is_file() else path

    @property
    def image_hosts(self) -> tuple[str, ...]:
        """Hosts that its pictures may be fetched from; none where they are on this disk."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of an import."""

    place: str
    """File and row, the name of a rejection."""
    source_id: Callable[[], str]
    """Gives the id; raises Unusable."""
    told: Mapping[str, Any]
    """Values by field of :data:`RowField`, as they come."""
    picture: Callable[[], str]
    """Gives the picture's address, once the rest is in order; raises Unusable."""
    meta: Mapping[str, Any]
    """The whole row, for ``meta_json``; without the author."""


Found = Entry | Rejected


def records(name: str, config: ImportParams, found: Iterable[Found], salt: str) -> Walk:
    """Each row as a record or as a rejection; a row whose id came before is rejected as ``repeated_id``.

    Args:
        name: of the import, the records' source.
        config: its settings.
        found: rows in their order.
        salt: key of the authors' hash.
    """
    seen: set[str] = set()
    for count, entry in enumerate(found):
        if count == config.max_records:
            return "max_records"
        if isinstance(entry, Rejected):
            yield entry
            continue
        try:
            yield _record(name, config, entry, salt, seen)
        except Unusable as fault:
            yield Rejected(entry.place, fault.reason)
    return "all_rows_read"


def _record(name: str, config: ImportParams, entry: Entry, salt: str, seen: set[str]) -> Record:
    told, source_id = entry.told, entry.source_id()
    prompt, words = both(told.get("prompt"))
    if source_id in seen:
        raise Unusable("repeated_id")
    image_url = entry.picture()
    seen.add(source_id)
    return Record(
        source=name,
        source_id=source_id,
        page_url=_page(told.get("page_url")) or config.page_url,
        image_url=image_url,
        access_basis=config.access_basis,
        licence=config.licence,
        licence_url=config.licence_url,
        nsfw_level=as_rating(told.get("nsfw_level")),
        prompt=prompt,
        negative_prompt=as_text(told.get("negative_prompt")),
        complex_prompt=words,
        model=as_text(told.get("model")),
        sampler=as_text(told.get("sampler")),
        steps=as_int(told.get("steps")),
        cfg=as_float(told.get("cfg")),
        seed=as_int(told.get("seed"), INT64),
        width=as_int(told.get("width")),
        height=as_int(told.get("height")),
        author_hash=author_hash(told.get("author"), salt),
        created_at=as_time(told.get("created_at")),
        meta_json=as_json(plain_values(entry.meta)),
    )


def mapped(row: Mapping[str, Any], columns: Mapping[RowField, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row's values by field, and what goes into ``meta_json``: the whole row without the author's column."""
    told: dict[str, Any] = {field: row.get(column) for field, column in columns.items()}
    return told, {key: value for key, value in row.items() if key != columns.get("author")}


def file_address(name: str, root: Path, relative: str) -> str:
    """The address of a picture that is a file of its own.

    Raises:
        Unusable: it lies outside, is a link, missing, unreadable or too large.
    """
    content = file_content(locate(root, relative))
    return address(name, relative, hashlib.sha256(content).hexdigest())


def table_file(root: Path, relative: str) -> Path:
    """A file of an import that tells of its pictures; it may lie no more outside than they may.

    Raises:
        InputError: it is a link, lies outside, is missing or unreadable.
    """
    try:
        return locate(root, relative)
    except Unusable as fault:
        raise InputError(f"{printable(str(root / relative))} is not read: {SENTENCES[fault.reason]}") from fault


def files(root: Path) -> Iterator[str]:
    """Paths of all files under a folder, relative and with slashes, in order; links to folders are not followed.

    Raises:
        InputError: there is no such folder, or it cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise InputError(f"the import's folder cannot be read: {error}") from error

    for folder, folders, names in os.walk(root, onerror=fail):
        folders.sort()
        for name in sorted(names):
            yield (Path(folder) / name).relative_to(root).as_posix()


def _page(value: object) -> str | None:
    return value if isinstance(value, str) and value.startswith("https://") else None

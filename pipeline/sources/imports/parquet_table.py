"""Any Parquet file, or folder of them, by a map from fields to columns.

The picture is a column of bytes (binary, or the Hugging Face struct ``{bytes, path}``), a file's name relative to the
folder, or an https address on one of the stated hosts.
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from pipeline.errors import InputError
from pipeline.params import Section
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
from pipeline.sources.imports.row_files import parquet_columns, parquet_rows
from pipeline.sources.imports.values import id_of, printable, row_id
from pipeline.sources.local_pictures import address, bytes_in_cell
from pipeline.sources.record import Unusable, as_address, as_text

ROWS_WITH_PICTURES = 16  # in memory at a time
Host = Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")]


class PictureColumn(Section):
    """Where a row has its picture."""

    column: str = Field(min_length=1)
    """The column's name."""

    holds: Literal["bytes", "file_name", "url"]
    """What is in it: the picture itself, a path relative to the import's folder, or an https address."""

    hosts: Annotated[tuple[Host, ...], Field(strict=False)]
    """Hosts that addresses may name, no other is ever asked; an empty list unless the column holds addresses."""


class ParquetTableParams(ImportParams):
    """Settings of an import of the kind ``parquet``."""

    kind: Literal["parquet"]

    columns: Columns
    """Which column tells which field, at least ``prompt``; without ``id`` a row is named by file and number."""

    image: PictureColumn

    @property
    def image_hosts(self) -> tuple[str, ...]:
        """As the settings state them."""
        return self.image.hosts


def entries(name: str, config: ParquetTableParams) -> Iterator[Found]:
    """The rows of all Parquet files.

    Raises:
        InputError: there is no file, one is a link or cannot be read, or one lacks a column that the settings name.
    """
    single = Path(config.path).expanduser()
    paths = [single.name] if single.is_file() else [path for path in files(single) if path.endswith(".parquet")]
    if not paths:
        raise InputError(f"{single} is no Parquet file and no folder with one")
    for path in paths:
        file = table_file(config.root, path)
        _require_columns(name, config, file)
        batch = ROWS_WITH_PICTURES if config.image.holds == "bytes" else 256
        for number, row in enumerate(parquet_rows(file, batch=batch)):
            yield _entry(name, config, path, number, row)


def _require_columns(name: str, config: ParquetTableParams, path: Path) -> None:
    there = parquet_columns(path)
    wanted = {f"columns.{field}": column for field, column in config.columns.items()}
    for key, column in {**wanted, "image.column": config.image.column}.items():
        if column not in there:
            raise InputError(f"{path} has no column {column!r} (sources.{name}.{key}); it has {', '.join(there)}")


def _entry(name: str, config: ParquetTableParams, path: str, number: int, row: Mapping[str, Any]) -> Entry:
    told, meta = mapped(row, config.columns)
    cell = row[config.image.column]
    return Entry(
        place=f"{printable(path)}#{number + 1}",
        source_id=lambda: row_id(told, _row_id(path, number)),
        told=told,
        picture=_picture(name, config, path, number, cell),
        meta={key: value for key, value in meta.items() if key != config.image.column or isinstance(value, str)},
    )


def _row_id(path: str, number: int) -> str:
    """Zero-padded, so that rows stay in their order when they are sorted by id and neighbours are read together."""
    return f"{id_of(path.removesuffix('.parquet'))}-{number:09d}"


def _picture(name: str, config: ParquetTableParams, path: str, number: int, cell: object) -> Callable[[], str]:
    match config.image.holds:
        case "bytes":
            member = f"{number}/{config.image.column}"
            return lambda: address(name, path, sha256(bytes_in_cell(cell)).hexdigest(), member)
        case "file_name":
            return lambda: file_address(name, config.root, as_text(cell) or "")
        case "url":
            return lambda: _on_stated_host(as_address(cell), config.image.hosts)


def _on_stated_host(url: str, hosts: tuple[str, ...]) -> str:
    if urlsplit(url).netloc not in hosts:
        raise Unusable("host_not_allowed")
    return url

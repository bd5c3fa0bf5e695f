"""Rows of metadata files: JSON lines, CSV and Parquet, each row a mapping or one word for what is wrong with it."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.sources.record import json_value

KINDS = (".jsonl", ".csv", ".parquet")
MOST_CELL = 16_000_000  # characters; Python's own limit of 131,072 is below what people paste into prompts
Row = Mapping[str, Any] | str
"""A row, or in one word why it is none."""


def rows(path: Path) -> Iterator[Row]:
    """The rows of a file in their order, by its suffix (one of :data:`KINDS`).

    Raises:
        InputError: the whole file cannot be read: it is not UTF-8, no CSV, no Parquet.
    """
    try:
        match path.suffix:
            case ".jsonl":
                yield from _json_rows(path)
            case ".csv":
                yield from _csv_rows(path)
            case _:
                yield from parquet_rows(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as lines:
        for line in lines:
            if line.strip():
                yield _json_row(line)


def _json_row(line: bytes) -> Row:
    try:
        value = json_value(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return "not_utf8"
    except ValueError:
        return "not_json"
    return value if isinstance(value, dict) else "malformed"


def _csv_rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(MOST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        try:
            for row in reader:
                whole = None not in row and None not in row.values()  # csv's marks of too many and too few cells
                yield row if whole else "malformed"
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 text (after line {reader.line_num}): convert it first") from error
        except csv.Error as error:
            raise InputError(f"{path} is no CSV (after line {reader.line_num}): {error}") from error


def parquet_rows(path: Path, columns: Sequence[str] | None = None, *, batch: int = 256) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, a few at a time in memory.

    Args:
        path: the file.
        columns: those to read; all if None.
        batch: rows at a time.

    Raises:
        InputError: it is no Parquet file, or damaged.
    """
    try:
        with pq.ParquetFile(path) as source:
            for part in source.iter_batches(batch_size=batch, columns=columns, use_threads=False):
                yield from part.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # the last two from cells
        raise InputError(f"{path} is no Parquet file that can be read: {str(error).splitlines()[0]}") from error


def parquet_columns(path: Path) -> list[str]:
    """The column names of a Parquet file.

    Raises:
        InputError: it is no Parquet file.
    """
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no Parquet file that can be read: {str(error).splitlines()[0]}") from error

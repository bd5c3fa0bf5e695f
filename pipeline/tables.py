"""Arrow tables with a stated schema, checked on write and on read, and shards of them.

A table is one constant: a schema whose fields carry their meaning, made with :func:`schema` and :func:`extend`.
Writing sorts by the key and uses fixed writer options, so that the same rows give the same bytes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.files import atomic_file, atomic_folder

KEY = "sample_id"
PLAIN_ROW_GROUP_ROWS = 4096
ROW_GROUP_ROWS = 100  # small groups: one picture is read without its shard (reference: Hugging Face viewer's limit)
IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])


def column(name: str, kind: pa.DataType, meaning: str, *, nullable: bool = False) -> pa.Field:
    """A field with its meaning; null only where a value may be unknown."""
    return pa.field(name, kind, nullable=nullable, metadata={"meaning": meaning})


def schema(*columns: pa.Field) -> pa.Schema:
    """A table's columns in their order."""
    return pa.schema(columns)


def extend(base: pa.Schema, *columns: pa.Field) -> pa.Schema:
    """A later table: the earlier one's columns and more."""
    return pa.schema([*base, *columns])


def select(base: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """A part of a table's columns, in the table's order; names that it lacks are left out."""
    wanted = set(names)
    return pa.schema([field for field in base if field.name in wanted])


DROPPED = schema(
    column(KEY, pa.string(), "the row that was dropped"),
    column("drop_reason", pa.string(), "why, one word; counted in report.json"),
)


def from_rows(rows: Iterable[Mapping[str, Any]], shape: pa.Schema) -> pa.Table:
    """Rows as a table of that schema.

    Raises:
        ValueError: a row has a key that the schema lacks, or a null where none may be.
    """
    rows = list(rows)
    unknown = {key for row in rows for key in row} - set(shape.names)
    if unknown:
        raise ValueError(f"columns {sorted(unknown)} are not in the schema")
    return check(pa.Table.from_pylist([dict(row) for row in rows], schema=shape), shape)


def check(table: pa.Table, shape: pa.Schema) -> pa.Table:
    """The table with exactly the schema's columns, types and meanings.

    Raises:
        ValueError: a column is missing, of another type, or null where none may be.
    """
    for field in shape:
        if field.name not in table.column_names:
            raise ValueError(f"column {field.name} is missing")
        if table.schema.field(field.name).type != field.type:
            raise ValueError(f"column {field.name} is {table.schema.field(field.name).type}, not {field.type}")
        if not field.nullable and table.column(field.name).null_count:
            raise ValueError(f"column {field.name} has nulls")
    return pa.Table.from_arrays([table.column(name) for name in shape.names], schema=shape)


def write(table: pa.Table, path: Path, shape: pa.Schema, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write one Parquet file, sorted by ``sample_id`` where the schema has it."""
    table = check(table, shape)
    if KEY in shape.names:
        table = table.sort_by(KEY)
    if metadata:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    with atomic_file(path) as temporary:
        encode(table, temporary)


def write_in_order(tables: Iterable[pa.Table], path: Path, shape: pa.Schema) -> None:
    """As :func:`write`, for rows that come in the key's order: one row group is in memory at a time."""
    with atomic_file(path) as temporary, pq.ParquetWriter(temporary, shape, **_encoding(shape)) as writer:
        for part in _regroup(tables, shape, row_group_rows(shape)):
            writer.write_table(part)


def row_group_rows(shape: pa.Schema) -> int:
    """Rows of a row group in a file of this schema."""
    return ROW_GROUP_ROWS if IMAGE in shape.types else PLAIN_ROW_GROUP_ROWS


def _encoding(shape: pa.Schema) -> dict[str, Any]:
    """How the columns of a schema are compressed; pictures are already."""
    binary = [field.name for field in shape if field.type == IMAGE]
    plain = [name for name in shape.names if name not in binary]
    compression = {
        **dict.fromkeys(plain, "zstd"),
        **{f"{name}.{part}": "none" for name in binary for part in ("bytes", "path")},
    }
    return {"compression": compression, "use_dictionary": [field.name for field in shape if field.type == pa.string()]}


def encode(table: pa.Table, path: Path) -> None:
    """Write rows to a temporary file that the caller makes atomic, as :func:`write` encodes them."""
    pq.write_table(table, path, row_group_size=row_group_rows(table.schema), **_encoding(table.schema))


def read(path: Path, shape: pa.Schema) -> pa.Table:
    """Read the schema's columns of one Parquet file (it may hold more: later tables extend earlier ones).

    Raises:
        InputError: the file is missing, no Parquet, or lacks a column.
    """
    try:
        with pq.ParquetFile(path) as source:
            names = [name for name in shape.names if name in source.schema_arrow.names]
            return check(source.read(columns=names), shape)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)") from error
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        raise InputError(f"{path} is not the table that is expected here: {error}") from error


def read_parts(path: Path, shape: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """As :func:`read`, ``rows`` rows at a time in the file's order, for tables that memory should not hold.

    Raises:
        InputError: as for :func:`read`.
    """
    try:
        with pq.ParquetFile(path) as source:
            for batch in source.iter_batches(rows, columns=shape.names):
                yield check(pa.Table.from_batches([batch]), shape)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)") from error
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        raise InputError(f"{path} is not the table that is expected here: {error}") from error


def read_places(path: Path, shape: pa.Schema, places: Sequence[int], rows: int = PLAIN_ROW_GROUP_ROWS) -> pa.Table:
    """The rows at these places of a file (counted from 0), in the places' order; ``rows`` are in memory at a time."""
    order = sorted(range(len(places)), key=places.__getitem__)
    found, start = [shape.empty_table()], 0
    for part in read_parts(path, shape, rows):
        inside = [places[index] - start for index in order if start <= places[index] < start + part.num_rows]
        found.append(part.take(pa.array(inside, pa.int64())).combine_chunks())
        start += part.num_rows
    back = sorted(range(len(order)), key=order.__getitem__)
    return pa.concat_tables(found).take(pa.array(back, pa.int64()))


def read_rows(path: Path, shape: pa.Schema, keys: Sequence[str]) -> pa.Table:
    """As :func:`read`, the rows of some sample ids alone; row groups outside their range are not read.

    Raises:
        InputError: as for :func:`read`.
    """
    within = [(KEY, ">=", min(keys)), (KEY, "<=", max(keys)), (KEY, "in", list(keys))]
    try:
        return check(pq.read_table(path, columns=shape.names, filters=within), shape)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)") from error
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        raise InputError(f"{path} is not the table that is expected here: {error}") from error


def metadata(path: Path) -> dict[str, str]:
    """The text entries of a Parquet file's key-value metadata."""
    try:
        entries = pq.read_schema(path).metadata or {}
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a Parquet file: {error}") from error
    return {key.decode(): value.decode() for key, value in entries.items() if not key.startswith(b"ARROW:")}


def write_shards(tables: Iterable[pa.Table], folder: Path, shape: pa.Schema, *, rows: int) -> list[Path]:
    """Write a folder of ``part-00000.parquet`` and so on with ``rows`` rows each; rows must come sorted by the key.

    The folder appears whole; no row gives one empty shard, so that readers find the schema.
    """
    names: list[str] = []
    with atomic_folder(folder) as temporary:
        for part in _regroup(tables, shape, rows):
            names.append(f"part-{len(names):05d}.parquet")
            encode(part, temporary / names[-1])
    return [folder / name for name in names]


def _regroup(tables: Iterable[pa.Table], shape: pa.Schema, rows: int) -> Iterator[pa.Table]:
    waiting, last, written = shape.empty_table(), "", False
    for table in tables:
        checked = check(table, shape)
        if KEY in shape.names and checked.num_rows:
            last = _in_order(checked.column(KEY).to_pylist(), last)
        waiting = pa.concat_tables([waiting, checked])
        while waiting.num_rows >= rows:
            yield waiting.slice(0, rows).combine_chunks()
            waiting, written = waiting.slice(rows), True
    if waiting.num_rows or not written:
        yield waiting.combine_chunks()


def _in_order(keys: Sequence[str], last: str) -> str:
    if any(first >= second for first, second in zip([last, *keys], keys, strict=False)):
        raise ValueError("rows of shards must be sorted by sample_id, each once")
    return keys[-1]


def count(path: Path) -> int:
    """Rows of one Parquet file.

    Raises:
        InputError: the file is missing or no Parquet.
    """
    try:
        return int(pq.read_metadata(path).num_rows)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a Parquet file: {error}") from error


def shards(folder: Path) -> list[Path]:
    """The shard files of a folder, in order.

    Raises:
        InputError: the folder is missing or has no shard.
    """
    found = sorted(folder.glob("part-*.parquet"))
    if not found:
        raise InputError(f"{folder} has no shards: run the stage that writes it (dvc repro)")
    return found


def read_shards(folder: Path, shape: pa.Schema) -> pa.Table:
    """The schema's columns of all shards as one table (leave image columns out of ``shape`` to stay small)."""
    return pa.concat_tables([read(path, shape) for path in shards(folder)])

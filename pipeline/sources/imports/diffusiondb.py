"""DiffusionDB (CC0, poloclub/diffusiondb): parts of 1,000 pictures with a JSON file each, and a table of metadata.

A part is a folder ``part-000001`` or the zip archive ``part-000001.zip`` that it came in, which is read as it is. The
part's JSON tells prompt, seed, guidance, steps and sampler. ``metadata.parquet`` (or ``metadata-large.parquet``) at
the top, where it was fetched too, adds sizes, author, time and the scores of NSFW detectors.
"""

import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.params import Share
from pipeline.sources.imports.importing import Entry, Found, ImportParams, file_address, files, table_file
from pipeline.sources.local_pictures import BROKEN_ARCHIVE, address, file_content, locate, member_content
from pipeline.sources.record import PG, UNRATED, R, Rejected, Unusable, as_float, as_id, as_mapping, json_value

PART = re.compile(r"part-(\d{6})")
TABLES = ("metadata.parquet", "metadata-large.parquet")
COLUMNS = ("image_name", "part_id", "width", "height", "user_name", "timestamp", "image_nsfw", "prompt_nsfw")
DELETED = "deleted_account"  # stands for everybody who left, so it is no author
BLURRED = 2.0  # the score of pictures that Stable Diffusion's own filter blurred
MOST_JSON = 100_000_000


class DiffusionDbParams(ImportParams):
    """Settings of an import of the kind ``diffusiondb``."""

    kind: Literal["diffusiondb"]

    nsfw_threshold: Share
    """Pictures whose own score or whose prompt's score is at least this are rated R (4), others PG (1)."""


@dataclass(frozen=True)
class Part:
    """One part as it lies on the disk."""

    number: int
    json: str
    """Path of the JSON file; empty for an archive, which holds it."""
    archive: str = ""
    """Path of the zip archive; empty for a folder."""


Read = Callable[[str], str]
"""Gives the address of a picture by its name."""


def entries(name: str, config: DiffusionDbParams) -> Iterator[Found]:
    """The pictures of all parts, parts by number.

    Raises:
        InputError: there is no part, or the table of metadata is a link or cannot be read.
    """
    parts = _parts(config)
    table = _table(config, [part.number for part in parts])
    for part in parts:
        place, known = part.archive or part.json, _known(table, part.number)
        try:
            yield from _entries(name, config, part, known)
        except Unusable as fault:
            yield Rejected(place, fault.reason)
        except (*BROKEN_ARCHIVE, OSError):
            yield Rejected(place, "broken_archive")
        except ValueError:
            yield Rejected(place, "not_json")


def _parts(config: ImportParams) -> list[Part]:
    """Parts by number; a folder goes before the archive that it was unpacked from."""
    found: dict[int, Part] = {}
    for path in map(PurePosixPath, files(config.root)):
        in_folder = PART.fullmatch(path.parent.name)
        if path.suffix == ".json" and in_folder:
            found[int(in_folder[1])] = Part(int(in_folder[1]), str(path))
        elif path.suffix == ".zip" and (named := PART.fullmatch(path.stem)):
            found.setdefault(int(named[1]), Part(int(named[1]), "", str(path)))
    if not found:
        raise InputError(f"{config.root} has no part-000001/part-000001.json and no part-000001.zip")
    return [found[number] for number in sorted(found)]


def _table(config: ImportParams, parts: list[int]) -> pa.Table | None:
    name = next((table for table in TABLES if os.path.lexists(config.root / table)), None)
    if name is None:
        return None
    path = table_file(config.root, name)
    try:
        return pq.read_table(path, columns=list(COLUMNS), filters=[("part_id", "in", parts)])
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} is not DiffusionDB's table of metadata: {str(error).splitlines()[0]}") from error


def _known(table: pa.Table | None, number: int) -> dict[str, dict[str, Any]]:
    """The table's rows of one part, by picture.

    Raises:
        InputError: a cell cannot be read.
    """
    if table is None:
        return {}
    try:
        rows = table.filter(pc.equal(table.column("part_id"), number)).to_pylist()
    except (ValueError, OverflowError) as error:  # such as text that is not UTF-8
        raise InputError(f"DiffusionDB's table of metadata cannot be read (part {number}): {error}") from error
    return {row["image_name"]: row for row in rows}


def _entries(name: str, config: DiffusionDbParams, part: Part, known: Mapping[str, dict[str, Any]]) -> Iterator[Found]:
    if part.archive:
        with zipfile.ZipFile(locate(config.root, part.archive)) as archive:
            member = _json_member(archive)
            folder = PurePosixPath(member).parent

            def packed(picture: str) -> str:
                inside = str(folder / picture)
                return address(name, part.archive, sha256(member_content(archive, inside)).hexdigest(), inside)

            yield from _pictures(config, part.archive, member_content(archive, member, MOST_JSON), packed, known)
    else:
        folder = PurePosixPath(part.json).parent
        content = file_content(locate(config.root, part.json), MOST_JSON)

        def loose(picture: str) -> str:
            return file_address(name, config.root, str(folder / picture))

        yield from _pictures(config, part.json, content, loose, known)


def _json_member(archive: zipfile.ZipFile) -> str:
    """The archive's JSON file; in DiffusionDB Large its number may be another part's."""
    names = [name for name in archive.namelist() if PART.fullmatch(PurePosixPath(name).stem) and name.endswith(".json")]
    if not names:
        raise Unusable("no_json")
    return min(names)


def _pictures(
    config: DiffusionDbParams, place: str, content: bytes, read: Read, known: Mapping[str, dict[str, Any]]
) -> Iterator[Found]:
    told = json_value(content)
    if not isinstance(told, dict):
        raise Unusable("malformed")
    for number, (picture, item) in enumerate(told.items(), start=1):
        try:
            yield _entry(config, f"{place}#{number}", picture, as_mapping(item), read=read, row=known.get(picture, {}))
        except Unusable as fault:
            yield Rejected(f"{place}#{number}", fault.reason)


def _entry(
    config: DiffusionDbParams, place: str, picture: str, item: Mapping[str, Any], *, read: Read, row: Mapping[str, Any]
) -> Entry:
    source_id, author = as_id(picture), row.get("user_name")
    told = {
        "prompt": item.get("p"),
        "seed": item.get("se"),
        "cfg": item.get("c"),
        "steps": item.get("st"),
        "sampler": item.get("sa"),
        "width": row.get("width"),
        "height": row.get("height"),
        "author": None if author == DELETED else author,
        "created_at": row.get("timestamp"),
        "nsfw_level": _rating(row, config.nsfw_threshold),
    }
    rest = {key: value for key, value in row.items() if key != "user_name"}
    return Entry(
        place=place,
        source_id=lambda: source_id,
        told=told,
        picture=lambda: read(picture),
        meta={"image_name": picture, **rest, **item},
    )


def _rating(row: Mapping[str, Any], threshold: float) -> int:
    scores = [score for key in ("image_nsfw", "prompt_nsfw") if (score := as_float(row.get(key))) is not None]
    if as_float(row.get("image_nsfw")) == BLURRED:
        raise Unusable("blurred")
    if not scores:
        return UNRATED
    return R if max(scores) >= threshold else PG

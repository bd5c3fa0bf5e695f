"""The takedown list, ``takedown.txt``: what people asked to be removed, and how it is kept out afterwards.

An entry is a sample id, the address of a picture or its page, or a picture's SHA-256. ``sur takedown`` marks what it
has removed with ``# removed`` and a date, and adds the picture's look, so that copies which are found later stay out
although the picture itself is gone: a 64-bit perceptual hash and 8 x 8 pixels, of which nobody makes a picture again.
"""

import functools
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import InputError
from pipeline.files import write_text
from pipeline.looks import THUMBNAIL_BYTES, Look

TAKEDOWNS = Path("takedown.txt")
LOOK = "look:"
NOTE = "  # removed "


@dataclass(frozen=True)
class Takedowns:
    """A takedown list."""

    names: frozenset[str] = frozenset()
    """Sample ids, addresses and SHA-256 sums."""
    removed: frozenset[str] = frozenset()
    """Those of the names that ``sur takedown`` has removed: they are not even asked for any more."""
    looks: tuple[Look, ...] = ()
    """Looks of removed pictures."""


def read(path: Path = TAKEDOWNS) -> Takedowns:
    """Read a takedown list: one entry a line, perhaps with a note after `` #``; ``#`` begins a comment line.

    Raises:
        InputError: there is no such file, or a line is no entry.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: restore it (git checkout {path}); an empty file is fine") from error
    names, removed, looks = set[str](), set[str](), list[Look]()
    for number, line in enumerate(lines, start=1):
        entry, _, note = line.partition(" #")
        entry = entry.strip()
        if entry.startswith(LOOK):
            looks.append(_look(entry, f"{path}, line {number}"))
        elif entry and not entry.startswith("#"):
            names.add(entry)
            if note.strip().startswith("removed"):
                removed.add(entry)
    return Takedowns(frozenset(names), frozenset(removed), tuple(looks))


def look_entry(look: Look) -> str:
    """A look as an entry of the list."""
    return f"{LOOK}{look.phash:016x}:{look.thumbnail.hex()}"


def _look(entry: str, place: str) -> Look:
    phash, _, thumbnail = entry.removeprefix(LOOK).partition(":")
    try:
        look = Look(int(phash, 16), bytes.fromhex(thumbnail))
    except ValueError:
        look = Look(0, b"")
    if len(phash) != 16 or len(look.thumbnail) != THUMBNAIL_BYTES:
        raise InputError(f"{place}: {entry[:40]} is no look: 16 hex digits, a colon and {2 * THUMBNAIL_BYTES} more")
    return look


def without(records: pa.Table, removed: AbstractSet[str]) -> pa.Table:
    """The records that none of these names means by id or address."""
    names = pa.array(sorted(removed), pa.string())
    means = [pc.is_in(records.column(name), value_set=names) for name in ("sample_id", "page_url", "image_url")]
    return records.filter(pc.invert(functools.reduce(pc.or_, means)))


def add(entries: Iterable[str], comment: str, *, on: date, path: Path = TAKEDOWNS) -> None:
    """Mark entries as removed: a comment line with the date, then each entry that is not marked yet.

    A line that holds such an entry without the mark is replaced.
    """
    known = read(path)
    wanted = dict.fromkeys(entries)
    looks = {look_entry(look) for look in known.looks}
    new = [entry for entry in wanted if entry not in known.removed and entry not in looks]
    if not new:
        return
    kept = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.partition(" #")[0].strip() not in new or line.lstrip().startswith("#")
    ]
    marked = [entry if entry.startswith(LOOK) else f"{entry}{NOTE}{on.isoformat()}" for entry in new]
    write_text(path, "\n".join([*kept, f"# {on.isoformat()}: {comment}", *marked, ""]))

"""``sur work``: what the work store holds, folder by folder, and cleaning it without breaking a stage that runs."""

import fcntl
import importlib.util
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from pipeline import params
from pipeline.errors import InputError, SurError
from pipeline.files import file_digest, read_json
from pipeline.params import PARAMS
from pipeline.work import CODE, LOCK, SETTINGS, USERS

PRECIOUS = ("scrape", "download", "takedown")
"""Archives of sites, pictures and journals: they cannot be had again without asking the sites; no age takes them."""
SECTIONS = {"caption": "blip", "clip_filter": "clip", "clip_pictures": "clip", "download": "download"}
"""Stages whose store is named by plain keys of one section of params.yaml."""
MB = 1e6
SHORT = 60


@dataclass(frozen=True)
class Entry:
    """A folder of the work store that is kept or cleaned as a whole."""

    name: str
    """Its path below the work store, for instance ``caption/2331f54e681fce24``."""
    folder: Path
    size: int
    """Bytes."""
    chunks: int
    rows: int
    used: float
    """When it was last opened or written to, as seconds since 1970."""
    settings: str
    """What its rows were made with, in short."""
    in_force: bool | None
    """Whether the settings in force would use it; None where that cannot be told cheaply."""

    @property
    def precious(self) -> bool:
        """Whether only its own name takes it away."""
        return self.name.partition("/")[0] in PRECIOUS


def entries(root: Path, path: Path = PARAMS) -> list[Entry]:
    """Everything that lies in the work store, by name.

    Args:
        root: the work store.
        path: the settings in force.
    """
    sections = _sections(path)
    return [_entry(root, folder, sections) for folder in sorted(_folders(root))]


def _folders(root: Path) -> Iterator[Path]:
    """Folders with a lock or settings of their own; where there are files and none of these, the first folder."""
    for top in sorted(root.glob("*")):
        if top.is_dir():
            own = {found.parent for name in (LOCK, SETTINGS) for found in top.rglob(name)}
            yield from own or ({top} if any(found.is_file() for found in top.rglob("*")) else ())


def _sections(path: Path) -> Mapping[str, Any]:
    try:
        return params.read(path)
    except SurError:  # sur work must also tell what lies there where the settings are broken
        return {}


def _entry(root: Path, folder: Path, sections: Mapping[str, Any]) -> Entry:
    stats = _stats(folder)
    name = folder.relative_to(root).as_posix()
    settings = _read(folder / SETTINGS)
    chunks = sorted(folder.glob("chunk-*.parquet"))
    return Entry(
        name=name,
        folder=folder,
        size=sum(stat.st_size for stat in stats),
        chunks=len(chunks),
        rows=sum(map(_rows, chunks)),
        used=max((stat.st_mtime for stat in stats), default=folder.stat().st_mtime),
        settings=", ".join(f"{key} {value}" for key, value in settings.items()),
        in_force=_in_force(name.partition("/")[0], settings, _read(folder / CODE), sections),
    )


def _stats(folder: Path) -> list[os.stat_result]:
    """Of every file below a folder that another process may be writing to: one that went in between is left out."""
    found = list[os.stat_result]()
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            stat = path.stat()
            if S_ISREG(stat.st_mode):
                found.append(stat)
    return found


def _rows(chunk: Path) -> int:
    try:
        return int(pq.read_metadata(chunk).num_rows)
    except (OSError, pa.ArrowInvalid):  # gone in the meantime, or damaged: no rows that a stage could use
        return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except InputError:
        return {}
    return value if isinstance(value, dict) else {}


def _in_force(
    stage: str, settings: Mapping[str, Any], code: Mapping[str, str], sections: Mapping[str, Any]
) -> bool | None:
    """Whether the settings and the code of now are those that the store was made with, as far as both are known."""
    section = sections.get(SECTIONS.get(stage, ""))
    now = dict(section) if isinstance(section, Mapping) else {}
    known = bool(settings) and all(key in now for key in settings)
    if known and any(now[key] != value for key, value in settings.items()):
        return False
    if any(_digest(module) != told for module, told in code.items()):
        return False
    return True if known and code else None


def _digest(module: str) -> str | None:
    """Digest of a module's file as it is now; None where there is no such module any more."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return file_digest(Path(found.origin)) if found is not None and found.origin else None


def table(found: Sequence[Entry]) -> list[str]:
    """The entries as lines, and their sum."""
    width = max((len(entry.name) for entry in found), default=0)
    layout = f"{{:{max(width, 24)}}}" + " {:>10} {:>7} {:>10}  {:16}  {:8}  {}"
    lines = [layout.format("folder", "rows", "chunks", "MB", "last used (UTC)", "in force", "settings").rstrip()]
    for entry in found:
        counts = [f"{entry.rows:,}", f"{entry.chunks:,}"] if entry.chunks else ["", ""]
        told = {True: "yes", False: "no", None: "-"}[entry.in_force]
        when = datetime.fromtimestamp(entry.used, UTC).strftime("%Y-%m-%d %H:%M")
        size, settings = f"{entry.size / MB:,.1f}", entry.settings
        short = settings if len(settings) <= SHORT else f"{settings[: SHORT - 4]} ..."
        lines.append(layout.format(entry.name, *counts, size, when, told, short).rstrip())
    total = sum(entry.size for entry in found) / MB
    return [*lines, f"{len(found)} folders, {total:,.1f} MB"]


def chosen(found: Sequence[Entry], named: str | None, older_than: float | None, *, now: float) -> list[Entry]:
    """The entries that are to go: named, old, or both where both are asked.

    Args:
        found: all entries.
        named: a stage, or the beginning of a folder's name below one (``caption/23``).
        older_than: days since an entry was last used.
        now: seconds since 1970.

    Raises:
        InputError: nothing is named so.
    """
    matching = [entry for entry in found if _named(entry, named)] if named is not None else list(found)
    if named is not None and not matching:
        stages = ", ".join(sorted({entry.name.partition("/")[0] for entry in found})) or "nothing lies there"
        raise InputError(f"the work store has no folder {named}: name a stage or the beginning of a folder ({stages})")
    if named is None:
        matching = [entry for entry in matching if not entry.precious]
    days = 0.0 if older_than is None else older_than
    return [entry for entry in matching if older_than is None or now - entry.used > days * 86_400]


def _named(entry: Entry, named: str) -> bool:
    """The first part of a name is whole: ``c`` is no stage, and ``caption`` is not ``captions``."""
    stage, _, rest = entry.name.partition("/")
    asked, _, beginning = named.strip("/").partition("/")
    return stage == asked and rest.startswith(beginning)


def clean(going: Sequence[Entry], *, dry_run: bool) -> Iterator[str]:
    """Remove entries and say what was freed; one that a process has open is left.

    Args:
        going: the entries.
        dry_run: touch nothing and say what would be freed.
    """
    freed = 0
    for entry in going:
        if dry_run:
            freed += entry.size
            yield f"would go: {entry.name}, {entry.size / MB:,.1f} MB"
        elif _remove(entry.folder):
            freed += entry.size
            yield f"gone: {entry.name}, {entry.size / MB:,.1f} MB"
        else:
            yield f"left: {entry.name} is in use"
    yield f"{freed / MB:,.1f} MB {'would be ' if dry_run else ''}freed"


def _remove(folder: Path) -> bool:
    """Remove a folder unless somebody writes to it or has it open; whether it went."""
    try:
        with _alone(folder):
            shutil.rmtree(folder)
    except (Timeout, BlockingIOError):
        return False
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold every lock of a folder: those of writers, and those of processes that have a store open to read from."""
    with ExitStack() as stack:
        for lock in sorted(folder.rglob(LOCK)):
            stack.enter_context(FileLock(lock, timeout=0))
        for users in sorted(folder.rglob(USERS)):
            descriptor = os.open(users, os.O_RDWR)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield

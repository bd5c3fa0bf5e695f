"""Files and folders that appear whole or not at all: written beside their place, then renamed."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import InputError


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _own(path: Path) -> Path:
    """A name that no other process, and no other thread of this one, has."""
    return _beside(path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}"))


def sweep(folder: Path, pattern: str) -> None:
    """Remove what killed writers left beside files whose names match; none of them may be being written."""
    for temporary in folder.glob(_beside(folder / pattern).name):
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Give a temporary file to write to; it becomes ``path`` only when the block ends without an error.

    Args:
        path: the file.
        shared: whether others may write the same file at the same time: each then has a temporary file of its own, the
            last to end stays, and what a kill leaves is there until :func:`sweep`; else the next writer discards it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _own(path) if shared else _beside(path)
    _discard(temporary)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        _discard(temporary)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give an empty temporary folder to fill; it replaces ``path`` only when the block ends without an error."""
    with temporary_folder(path) as temporary:
        yield temporary
        _discard(path)
        temporary.replace(path)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside ``path`` that goes when the block ends; what a kill left there goes first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    _discard(temporary)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        _discard(temporary)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON with sorted keys (same value, same bytes); NaN and infinity are refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, *, keys_once: bool = False) -> Any:
    """Read JSON.

    Args:
        path: the file.
        keys_once: refuse an object that has a key twice, of which the last counts else.

    Raises:
        InputError: the file is missing or no JSON, or a key comes twice.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict[str, Any]()
        for key, value in pairs:
            if key in found:
                raise InputError(f"{path}: {key} comes twice")
            found[key] = value
        return found

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once if keys_once else None)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not readable as JSON: {error}") from error


def digest(value: Any) -> str:
    """Sixteen hex digits that name a JSON-like value: the key of cached work."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

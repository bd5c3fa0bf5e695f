"""Models are named by Hugging Face id or by local folder, with a revision: a folder's is its content digest."""

import hashlib
from pathlib import Path

from pipeline.errors import ModelError
from pipeline.files import file_digest, write_text

REVISION = "REVISION"
NOT_CONTENT = (REVISION, "README.md", "quality.json")


def is_folder(model: str) -> bool:
    """Whether a model name means a local folder: it exists, or it cannot be a hub id (``owner/name``)."""
    return model.startswith((".", "/", "~")) or model.count("/") > 1 or Path(model).is_dir()


def folder_digest(folder: Path) -> str:
    """Sixteen hex digits of all files' relative paths and bytes; the card, its figures and REVISION do not count."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in NOT_CONTENT:
            total.update(f"{name}\0{file_digest(path)}\n".encode())
    return total.hexdigest()[:16]


def write_revision(folder: Path) -> str:
    """Write the folder's digest into its REVISION file and return it: the last step of whoever builds a model."""
    revision = folder_digest(folder)
    write_text(folder / REVISION, revision + "\n")
    return revision


def verify(model: str, revision: str) -> None:
    """Refuse a missing folder and one whose content is not the named revision; a hub id is left to the hub.

    Raises:
        ModelError: one line that says what was found and what to do.
    """
    if not is_folder(model):
        return
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise ModelError(f"model folder {model} is missing: name a folder that exists or a Hugging Face id")
    _require(f"model folder {model}", folder_digest(folder), revision)


def file_revision(path: Path) -> str:
    """A file's revision: the first sixteen hex digits of its content's SHA-256."""
    return file_digest(path)[:16]


def verify_file(name: str, revision: str) -> None:
    """Refuse a missing file of weights and one whose content is not the named revision.

    Raises:
        ModelError: one line that says what was found and what to do.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        raise ModelError(f"file of weights {name} is missing: name a file that exists")
    _require(f"file of weights {name}", file_revision(path), revision)


def _require(what: str, found: str, revision: str) -> None:
    if found != revision:
        raise ModelError(f"{what} has revision {found}, not {revision}: set the revision or restore it")

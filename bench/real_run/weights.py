"""The four model folders: made once, checked by their digests ever after."""

import shutil
from collections.abc import Callable
from pathlib import Path

from bench import random_diffusion
from bench.random_models import Named, blip_folder, clip_folder, llama_folder
from bench.real_run.shapes import Shapes
from pipeline import cli, files, model_folders
from pipeline.errors import ModelError

MADE = "made.json"


def ready(shapes: Shapes, folder: Path) -> dict[str, Named]:
    """Folder and revision of each model; one that is missing, damaged or of another shape is written anew.

    Args:
        shapes: what is wanted.
        folder: holds a folder a model, and the digests of what was made in ``made.json``.
    """
    writers: dict[str, Callable[[Path], Named]] = {
        "blip": lambda path: blip_folder(path, shapes.blip),
        "clip": lambda path: clip_folder(path, shapes.clip),
        "llama": lambda path: llama_folder(path, shapes.llama_config()),
        "diffusion": lambda path: random_diffusion.folder(path, shapes.diffusion),
    }
    found = {}
    for name, shape in shapes.named().items():
        revision = kept(folder, name, shape)
        if revision is None:
            cli.say(f"real-shapes: writing {folder / name}")
            shutil.rmtree(folder / name, ignore_errors=True)
            _, revision = writers[name](folder / name)
            _note(folder, name, {"shape": shape, "revision": revision})
        found[name] = str(folder / name), revision
    return found


def kept(folder: Path, name: str, shape: str) -> str | None:
    """The revision of a model that was made earlier, in this shape, and is whole."""
    noted = _notes(folder).get(name, {})
    if noted.get("shape") != shape:
        return None
    try:
        model_folders.verify(str(folder / name), noted["revision"])
    except ModelError:
        return None
    return noted["revision"]


def missing(shapes: Shapes, folder: Path) -> bool:
    """Whether a model is still to be written, by the notes alone: nothing is read through."""
    notes = _notes(folder)
    return any(notes.get(name, {}).get("shape") != shape for name, shape in shapes.named().items())


def _notes(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / MADE
    return dict(files.read_json(path)) if path.is_file() else {}


def _note(folder: Path, name: str, about: dict[str, str]) -> None:
    files.write_json(folder / MADE, {**_notes(folder), name: about})

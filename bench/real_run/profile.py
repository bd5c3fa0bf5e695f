"""profiles/real-shapes.yaml: the paper's profile with what a run on random weights changes, and what a run fills in."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bench.random_models import Named
from pipeline.files import write_text

ROOT = Path(__file__).parents[2]
PAPER, PROFILE = ROOT / "profiles" / "paper.yaml", ROOT / "profiles" / "real-shapes.yaml"
PROMPTS = "prompts/real-shapes.json"
SECTIONS = {"blip": "blip", "clip": "clip", "llm": "llama", "diffusion": "diffusion"}
"""Section of params.yaml and folder of its model."""
FILLED = "filled in by make real-shapes"
HEAD = """\
# The paper's profile on models of the real shapes with random weights: `make real-shapes` runs it (docs/real-shapes.md)
# and fills in the models' folders and revisions, the folder of the import, and threads. Made from profiles/paper.yaml
# by `python -m bench.real_run --profile`; bench/real_run/profile.py has all changes in one place: edit there.
"""
CHANGES: Mapping[str, Any] = {
    "sources.enabled": ["drawn"],
    "sources.drawn": {
        "kind": "image_folder",
        "path": FILLED,
        "columns": {"prompt": "prompt"},
        "revision": "drawn",
        "access_basis": "drawn by this program",
        "licence": "CC0-1.0",
        "licence_url": "https://creativecommons.org/publicdomain/zero/1.0/",
        "page_url": "https://example.org/drawn",
        "max_records": 8,
    },
    "blip.model": FILLED,
    "blip.revision": FILLED,
    "clip.model": FILLED,
    "clip.revision": FILLED,
    "clip.margin": -100.0,  # keeps all: random scores say nothing
    "review.require": False,
    "llm.model": FILLED,
    "llm.revision": FILLED,
    "llm.layer": 32,
    "llm.dtype": "bfloat16",  # of the weights that are written
    "train.steps": 2,
    "train.sample_prompts": 0,  # 20 denoising steps a picture, which stage sample shows with fewer
    "diffusion.model": FILLED,
    "diffusion.revision": FILLED,
    "diffusion.dtype": "bfloat16",  # a CPU without float16 instructions convolves 600 times slower in float16
    "sample.prompts": [PROMPTS],
    "sample.limit_per_type": 1,
    "sample.images_per_prompt": 1,
    "sample.steps": 2,
    "evaluate.metrics": [  # the others ask for weights that are published
        {
            "kind": "clip",
            "name": "clip",
            "library": "open_clip",
            "model": FILLED,
            "revision": FILLED,
            "weights": None,
            "dtype": "float32",
            "logit_scale": 100.0,
        }
    ],
    "compute.caption_batch": 8,  # batches are filled up, so that a larger one would be computed for nothing
    "compute.clip_batch": 8,
    "compute.llm_batch": 8,
    "compute.vae_batch": 1,
    "compute.sample_batch": 1,
    "compute.micro_batch": 1,
}
"""By dotted key; all else is the paper's."""


def derived() -> str:
    """The profile as profiles/paper.yaml and the changes give it."""
    yaml = _yaml()
    document = yaml.load(PAPER.read_text(encoding="utf-8"))
    _set(document, CHANGES)
    stream = io.StringIO()
    yaml.dump(document, stream)
    body = stream.getvalue()
    return HEAD + body[body.index("\nsources:") :]


def write() -> None:
    """Write the profile anew."""
    write_text(PROFILE, derived())


def filled(models: Mapping[str, Named], pictures: Path, *, side_px: int) -> str:
    """params.yaml of a run: the profile with its models, its pictures and their side, and threads."""
    changes: dict[str, Any] = {
        "sources.drawn.path": str(pictures),
        "image.side_px": side_px,
        "compute.threads": threads(),
    }
    for section, name in SECTIONS.items():
        changes |= dict(zip((f"{section}.model", f"{section}.revision"), models[name], strict=True))
    yaml = _yaml()
    document = yaml.load(PROFILE.read_text(encoding="utf-8"))
    _set(document, changes)
    for metric in document["evaluate"]["metrics"]:
        metric["model"], metric["revision"] = models["clip"]
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def threads() -> int:
    """What ``OMP_NUM_THREADS`` says, else all cores."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def _set(document: Any, changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        *path, last = key.split(".")
        section = document
        for step in path:
            section = section[step]
        if isinstance(value, list):
            section[last][:] = value  # as the file writes its lists
        else:
            section[last] = value


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    return yaml

"""A ControlNet for the tiny diffusion model, with weights that do something."""

import functools
from pathlib import Path

import torch

from pipeline import model_folders
from tests.pipeline import tiny_models


@functools.cache
def folder() -> Path:
    """Made once a test run."""
    from diffusers import ControlNetModel

    path = tiny_models.kept_folder("tiny-controlnet")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = ControlNetModel.from_unet(tiny_models.load().unet, conditioning_embedding_out_channels=(4, 4))
        for parameter in made.parameters():  # it starts with zeros, as a ControlNet does
            torch.nn.init.normal_(parameter, std=0.3)
    made.save_pretrained(path)
    model_folders.write_revision(path)
    return path


def named():
    return {"model": str(folder()), "revision": model_folders.folder_digest(folder())}


def canny(**changes):
    settings = {"scale": 1.0, "source": "base", "folder": None, "low": 50.0, "high": 100.0, "blur_px": 0.0}
    return {**named(), **settings, **changes}


def seg(path, **changes):
    return {**named(), "scale": 1.0, "folder": str(path), **changes}

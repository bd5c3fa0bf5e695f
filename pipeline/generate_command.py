"""``sur generate``: a prompt by the base model and by the adapted one, side by side in one picture."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import get_args

from PIL import Image

from pipeline import cli, files, images, prompt_states, sampling
from pipeline.adapters import folder
from pipeline.engine import ComputeParams
from pipeline.errors import InputError
from pipeline.generating import Generator
from pipeline.methods.settings import PLAIN, MethodName
from pipeline.params import load
from pipeline.sample_settings import SampleParams
from pipeline.vae import DiffusionParams

HELP = "one prompt by the base model and by the adapted one, same first noise"


def add_options(parser: argparse.ArgumentParser, adapter: Path) -> None:
    """The command's arguments.

    Args:
        parser: of the sub-command.
        adapter: the folder that is taken where none is named.
    """
    parser.add_argument("prompt")
    parser.add_argument("--seed", type=cli.seed, default=0, help="of the first noise (default 0)")
    parser.add_argument("--images", type=cli.count, default=1, help="so many, of this seed and the next (default 1)")
    methods = get_args(MethodName)
    parser.add_argument(
        "--method", choices=methods, default=PLAIN, help="as section sample sets it (default %(default)s)"
    )
    parser.add_argument("--condition", type=Path, help="picture for a ControlNet; method canny finds its edges")
    eta = "the adapter's dial, 0 to 1 (default: as trained; 0 is the base model)"
    parser.add_argument("--eta", type=cli.share, help=eta)
    parser.add_argument("--adapter", type=Path, default=adapter, help="adapter folder (default %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("generated.png"), help="picture to write (default %(default)s)"
    )


def run(asked: argparse.Namespace) -> None:
    """Write base and adapted pictures of one prompt side by side, with the settings of sections sample and diffusion.

    Raises:
        SurError: a setting, the model or the adapter is not usable, or the picture cannot be written.
    """
    _require_writable(asked.out)
    sample, base = load(SampleParams, "sample"), load(DiffusionParams, "diffusion")
    compute = load(ComputeParams, "compute")
    if asked.eta != 0.0:  # an LLM that reads prompts is gone before the diffusion model is loaded
        texts = [asked.prompt, sample.negative_prompt]
        prompt_states.read(folder.read_config(asked.adapter), texts, build=partial(prompt_states.load, compute))
    generator = Generator(asked.adapter, sample, base, compute)
    source = None if asked.condition is None else _opened(asked.condition)
    tiles: list[tuple[Image.Image, str]] = []
    seeds = range(asked.seed, asked.seed + asked.images)
    for seed in cli.progress(seeds, "generate", unit="pair"):
        pair = generator.pair(asked.prompt, seed, eta=asked.eta, method=asked.method, source=source)
        eta = generator.eta if asked.eta is None else asked.eta
        shown = [] if pair.condition is None else [(pair.condition, f"shown to {asked.method}")]
        tiles += [*shown, (pair.base, f"base, seed {seed}: {asked.prompt}")]
        tiles += [(pair.adapted, f"adapted, eta {eta:g}, seed {seed}: {asked.prompt}")]
    pictures, labels = zip(*tiles, strict=True)
    side = max(256, *(picture.width for picture in pictures))
    sheet = images.contact_sheet(pictures, labels, columns=len(tiles) // asked.images, tile_px=side)
    files.write_bytes(asked.out, sampling.png(sheet))
    sys.stdout.write(f"{asked.out}: base on the left, adapted on the right\n")


def _require_writable(out: Path) -> None:
    """Tell before a large model is loaded."""
    if out.is_dir():
        raise InputError(f"--out {out} is a folder: name the picture in it, for instance {out / 'generated.png'}")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise InputError(f"--out {out} cannot be written: {folder} is no folder that you may write in")


def _opened(path: Path) -> Image.Image:
    try:
        return images.decode(path.read_bytes())
    except (OSError, images.UndecodableError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error

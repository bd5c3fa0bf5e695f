"""Make the miniature's models again from their seeds.

    python -m miniature.build [--only blip clip llama diffusion] [--minutes N] [--out miniature/models]

A killed or timed-out build goes on from its checkpoints in the work store when the same command is given again.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from miniature import (
    cards,
    measures,
    revisions,
    train_blip,
    train_clip,
    train_diffusion,
    train_llama,
    train_text_encoder,
    train_unet,
    train_vae,
)
from miniature.training import OutOfTimeError, Session

MODELS = Path("miniature/models")
CHECKPOINTS = Path(".work/miniature")


def main() -> None:
    """Train, save and measure the models that are asked for."""
    args = _parser().parse_args()
    until = math.inf if args.minutes is None else time.monotonic() + 60 * args.minutes
    session = Session(args.checkpoints, until)
    try:
        for name in args.only:
            BUILDERS[name](args.out, session)
            if args.out == MODELS:
                revisions.main()
    except OutOfTimeError as stop:
        print(stop, file=sys.stderr)  # noqa: T201 the builder's own message
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(BUILDERS), default=list(BUILDERS), help="models to make")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes, to go on another time")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder of the model folders")
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS, help="folder of the checkpoints")
    return parser


def build_clip(out: Path, session: Session) -> None:
    """Make, measure and describe CLIP."""
    model, tokenizer = train_clip.build(out / "clip", session)
    quality = measures.clip(model, tokenizer)
    cards.write(out / "clip", "clip", quality, {"both towers": (train_clip.PLAN, train_clip.BATCH)})


def build_blip(out: Path, session: Session) -> None:
    """Make, measure and describe BLIP."""
    model, tokenizer = train_blip.build(out / "blip", session)
    quality = measures.blip(model, tokenizer)
    cards.write(out / "blip", "blip", quality, {"captioner": (train_blip.PLAN, train_blip.BATCH)})


def build_llama(out: Path, session: Session) -> None:
    """Make, measure and describe the LLaMA of 40 layers."""
    model, tokenizer = train_llama.build(out / "llama-40", session)
    quality = measures.llama(model, tokenizer)
    cards.write(out / "llama-40", "llama", quality, {"language model": (train_llama.PLAN, train_llama.BATCH)})


def build_diffusion(out: Path, session: Session) -> None:
    """Make, measure and describe the diffusion model."""
    parts, reader = train_diffusion.build(out / "diffusion", session)
    quality = measures.autoencoder(parts["vae"]) | measures.text_encoder(reader, parts["tokenizer"])
    quality |= measures.diffusion(parts) | measures.oracle()
    trainings = {
        "autoencoder": (train_vae.PLAN, train_vae.BATCH),
        "decoder alone": (train_vae.DECODER_PLAN, train_vae.BATCH),
        "text encoder": (train_text_encoder.PLAN, train_text_encoder.BATCH),
        "U-Net": (train_unet.PLAN, train_unet.BATCH),
    }
    cards.write(out / "diffusion", "diffusion", quality, trainings)


BUILDERS: dict[str, Callable[[Path, Session], Any]] = {
    "clip": build_clip,
    "blip": build_blip,
    "llama": build_llama,
    "diffusion": build_diffusion,
}

if __name__ == "__main__":
    main()

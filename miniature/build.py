"""Make the miniature's models again from their seeds.

    python -m miniature.build [--only clip blip llama-40 ...] [--minutes N] [--out miniature/models]

A killed or timed-out build goes on from its checkpoints in the work store when the same command is given again.
The cartoon model and the ControlNets build on the diffusion model that is saved in the folder given by --out, the
ControlNet of edges on that of segments.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from miniature import (
    cards,
    control_measures,
    judge_measures,
    measures,
    revisions,
    style_measures,
    train_blip,
    train_clip,
    train_controlnet,
    train_diffusion,
    train_everyday,
    train_llama,
    train_text_encoder,
)
from miniature.conditions import Kind
from miniature.saving import MissingModelError
from miniature.training import OutOfTimeError, Plan, Session

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
    except (OutOfTimeError, MissingModelError) as stop:
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
    cards.write(out / "clip", "clip", quality, {"both towers": train_clip.PLAN})


def build_blip(out: Path, session: Session) -> None:
    """Make, measure and describe BLIP."""
    model, tokenizer = train_blip.build(out / "blip", session)
    quality = measures.blip(model, tokenizer)
    cards.write(out / "blip", "blip", quality, {"captioner": train_blip.PLAN})


def build_llama(layers: int, out: Path, session: Session) -> None:
    """Make, measure and describe the LLaMA of so many layers."""
    name, plan = f"llama-{layers}", train_llama.PLANS[layers]
    width = train_llama.WIDTHS[layers]
    model, tokenizer = train_llama.build(out / name, session, layers=layers, width=width, plan=plan)
    quality = measures.llama(model, tokenizer)
    cards.write(out / name, name, quality, {"language model": plan})


def build_diffusion(out: Path, session: Session) -> None:
    """Make, measure and describe the diffusion model."""
    parts, reader = train_diffusion.build(out / "diffusion", session)
    quality = measures.autoencoder(parts["vae"]) | measures.text_encoder(reader, parts["tokenizer"])
    quality |= measures.diffusion(parts) | judge_measures.oracle() | judge_measures.quality_score()
    quality |= judge_measures.quality_decoded(parts)
    quality |= {name: value for name, value in judge_measures.oracle_degraded(parts).items() if "_all_" in name}
    trainings = {
        "text encoder, keyword lists": train_text_encoder.PLAN,
        "text encoder, everyday sentences": train_everyday.PLAN,
        **_trainings(train_diffusion.PLANS),
    }
    cards.write(out / "diffusion", "diffusion", quality, trainings)


def build_cartoon(out: Path, session: Session) -> None:
    """Make, measure and describe the diffusion model that draws cartoons."""
    parts = train_diffusion.build_cartoon(out / "cartoon", out / "diffusion", session)
    quality = style_measures.autoencoder(parts["vae"], "cartoon") | style_measures.oracle("cartoon")
    quality |= measures.diffusion(parts)
    cards.write(out / "cartoon", "cartoon", quality, _trainings(train_diffusion.CARTOON_PLANS))


def _trainings(plans: train_diffusion.Plans) -> dict[str, Plan]:
    return {"autoencoder": plans.vae, "decoder alone": plans.decoder, "U-Net": plans.unet}


def build_controlnet(kind: Kind, out: Path, session: Session) -> None:
    """Make, measure and describe the ControlNet for one kind of condition picture."""
    name = f"controlnet-{kind}"
    begun = out / "controlnet-segments" if kind == "edges" else None
    model, parts = train_controlnet.build(kind, out / name, out / "diffusion", session, begun=begun)
    quality = control_measures.controlnet(kind, model, parts)
    cards.write(out / name, name, quality, {"ControlNet": train_controlnet.PLAN})


BUILDERS: dict[str, Callable[[Path, Session], Any]] = {
    "clip": build_clip,
    "blip": build_blip,
    "llama-40": partial(build_llama, 40),
    "diffusion": build_diffusion,
    "cartoon": build_cartoon,
    "llama-32": partial(build_llama, 32),
    "llama-60": partial(build_llama, 60),
    "controlnet-segments": partial(build_controlnet, "segments"),
    "controlnet-edges": partial(build_controlnet, "edges"),
}

if __name__ == "__main__":
    main()

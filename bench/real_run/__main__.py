"""The whole workflow on models of the real shapes with random weights: time and peak memory of every stage.

Writes random weights of Stable Diffusion 1.5, BLIP base, CLIP ViT-B/32 and LLaMA-7B (bfloat16) into FOLDER, once, makes
a working copy beside them, and runs every stage of dvc.yaml there with profiles/real-shapes.yaml. Nothing outside
FOLDER is touched but the results: bench/results/real_run.json and docs/real-shapes.md. The same command goes on after a
kill. FOLDER may be deleted at any time.

    make real-shapes [FOLDER=...]         or: python -m bench.real_run FOLDER
    python -m bench.real_run FOLDER --tiny    tiny widths, for trying it: keeps no figures
    python -m bench.real_run --page           docs/real-shapes.md anew from the figures that are kept
    python -m bench.real_run --profile        profiles/real-shapes.yaml anew from profiles/paper.yaml
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import results
from bench.real_run import needs, page, profile, running, shapes, weights, workplace
from pipeline import cli
from pipeline.files import write_text

NAME = "real_run"
WEIGHTS, COPY, PICTURES = "weights", "copy", "pictures"


def main(arguments: Sequence[str]) -> int:
    """Do what is asked; gives the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.profile:
        return cli.guarded(profile.write)
    if asked.page:
        return cli.guarded(lambda: print(write_page()))
    if asked.folder is None:
        _parser().error("FOLDER is missing")
    return cli.guarded(lambda: real_run(asked.folder.expanduser().resolve(), tiny=asked.tiny))


def real_run(folder: Path, *, tiny: bool) -> None:
    """Weights, working copy, all stages; figures of the real shapes are kept.

    Raises:
        SurError: too little disk or memory, or a stage that failed.
    """
    chosen = shapes.tiny() if tiny else shapes.real()
    places = folder / (f"{WEIGHTS}-tiny" if tiny else WEIGHTS), folder / (f"{COPY}-tiny" if tiny else COPY)
    missing = weights.missing(chosen, places[0])
    cli.say(needs.tell(chosen, folder, gpu_gb=needs.free_gpu_gb(), weights_missing=missing))
    models = weights.ready(chosen, places[0])
    copy = workplace.prepared(places[1], models, folder / PICTURES, side_px=chosen.diffusion.side_px)
    figures = running.figures(running.run_all(copy))
    print(page.table(figures))
    if not tiny:
        print(f"written to {results.save(NAME, figures)} and {write_page()}")


def write_page() -> Path:
    """docs/real-shapes.md from the figures that are kept."""
    write_text(page.PAGE, page.render(page.kept()))
    return page.PAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench.real_run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="of weights and working copy")
    parser.add_argument("--tiny", action="store_true", help="tiny widths, kept beside the real ones")
    parser.add_argument("--page", action="store_true", help="write docs/real-shapes.md alone")
    parser.add_argument("--profile", action="store_true", help="write profiles/real-shapes.yaml alone")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

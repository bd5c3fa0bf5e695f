"""The ``sur`` command: look at outputs, generate pictures, run studies, retry downloads, remove samples, and so on."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline import (
    checking,
    cli,
    doctor,
    generate_command,
    hub,
    model_folders,
    retrying,
    work,
    work_listing,
)
from pipeline.adapters import checkpoint, folder
from pipeline.demo import command as demo_command
from pipeline.errors import InputError
from pipeline.params import PARAMS
from pipeline.report.study_pages import FOLDER as STUDY_PAGES
from pipeline.review import commands as exchange
from pipeline.review_page import command as review
from pipeline.show import listing, pictures
from pipeline.studies import from_file, running
from pipeline.studies.definitions import STUDIES
from pipeline.takedown import caches
from pipeline.takedown.running import takedown

ADAPTER = Path("data/train/adapter")
AUTHORS_BASE, AUTHORS_REVISION = "stable-diffusion-v1-5/stable-diffusion-v1-5", "main"  # as profiles/paper.yaml
AUTHORS_ETA = 0.1  # of their run.sh (ADR 0015)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one sub-command and end the process with its exit code."""
    parsed = _parser().parse_args(arguments)
    match parsed.command:
        case "show":
            code = cli.guarded(lambda: _show(parsed))
        case "generate":
            code = cli.guarded(lambda: generate_command.run(parsed))
        case "demo":
            code = cli.guarded(lambda: demo_command.run(parsed))
        case "retry-failed":
            code = cli.guarded(lambda: retrying.retry_failed(final=parsed.all))
        case "takedown":
            code = cli.guarded(lambda: takedown(parsed.sample, dry_run=parsed.dry_run))
        case "convert-official":
            base = folder.Named(model=parsed.base, revision=parsed.base_revision)
            code = cli.guarded(lambda: convert_official(parsed.file, parsed.out, base, parsed.eta))
        case hub.COMMAND:
            code = cli.guarded(lambda: hub.run(parsed))
        case "work":
            code = cli.guarded(lambda: _work(parsed))
        case "study":
            code = cli.guarded(lambda: _study(parsed))
        case "review":
            code = cli.guarded(lambda: review.run(parsed))
        case exchange.EXPORT | exchange.IMPORT:
            code = cli.guarded(lambda: exchange.run(parsed))
        case _:
            code = _doctor()
    raise SystemExit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sur", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    shown = commands.add_parser("show", help="what a stage wrote, or everything it holds of one sample")
    shown.add_argument("stage", help="for instance clip_filter")
    shown.add_argument("sample_id", nargs="?", help="for instance lexica:0001; its picture goes into the work store")
    shown.add_argument("--count", type=cli.count, help="pictures a contact sheet (default 24)")
    shown.add_argument("--seed", type=int, help="of what is drawn at random (default 0)")
    generated = commands.add_parser("generate", help=generate_command.HELP)
    generate_command.add_options(generated, ADAPTER)
    demo = commands.add_parser("demo", help="a page for prompts: base beside ours, with eta, seed and method")
    demo_command.add_options(demo, ADAPTER)
    _add_conversion(commands)
    hub.add_arguments(commands)
    review.add_options(commands.add_parser("review", help=review.HELP))
    removed = commands.add_parser("takedown", help="remove a sample and everything made from it, and prove it")
    removed.add_argument("sample", help="its id, the address of its picture or page, or its picture's SHA-256")
    removed.add_argument("--dry-run", action="store_true", help="say what would go and touch nothing")
    studied = commands.add_parser("study", help="a set of experiments, run and laid out as a page with table and chart")
    studied.add_argument(
        "name", type=_study_name, metavar="name", help=f"{', '.join(STUDIES)}, or a .yaml file of rows"
    )
    studied.add_argument("--jobs", type=cli.count, default=1, help="experiments at a time (default 1)")
    studied.add_argument(
        "--prompts", type=cli.count, help="evaluation prompts a skill (default: seeds all, others params')"
    )
    studied.add_argument("--again", action="store_true", help="forget finished experiments and run them too")
    studied.add_argument("--out", type=Path, default=STUDY_PAGES, help="folder of the page (default %(default)s)")
    again = commands.add_parser("retry-failed", help="ask again for pictures that failed and may come now")
    again.add_argument("--all", action="store_true", help="also for those that were gone, refused or not for training")
    _add_work(commands)
    exchange.add(commands)
    commands.add_parser("doctor", help="what is missing on this machine")
    return parser


def _add_work(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    stored = commands.add_parser("work", help="what the work store holds; with an option: clean it")
    stored.add_argument("--clean", metavar="FOLDER", help="a stage, or the beginning of a folder's name: caption/23")
    stored.add_argument("--older-than", type=_days, metavar="DAYS", help="only what was not used for so long")
    stored.add_argument("--dry-run", action="store_true", help="say what would go and touch nothing")


def _add_conversion(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = commands.add_parser("convert-official", help="the SUR-adapter authors' .pt file as an adapter folder")
    made.add_argument("file", type=Path, help="their .pt file: a state dict of 48 tensors; nothing in it is run")
    made.add_argument("out", type=Path, help="the adapter folder to write; must not exist")
    made.add_argument("--base", default=AUTHORS_BASE, help="the model it was trained for (default %(default)s)")
    made.add_argument("--base-revision", default=AUTHORS_REVISION, help="of that model (default %(default)s)")
    made.add_argument(
        "--eta", type=cli.share, default=AUTHORS_ETA, help="what it was trained with, 0 to 1 (default %(default)s)"
    )


def _study_name(text: str) -> str:
    if text not in STUDIES and not from_file.is_file(text):
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(STUDIES)} and no .yaml file")
    return text


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of days, got {text}")
    return days


def _work(asked: argparse.Namespace) -> None:
    """List the work store, or clean it.

    Raises:
        InputError: nothing is named so, or DVC is running, whose stages may not have begun to read what goes.
    """
    found = work_listing.entries(work.root())
    if asked.clean is None and asked.older_than is None:
        if asked.dry_run:
            raise InputError("--dry-run goes with --clean or --older-than: sur work alone cleans nothing")
        _print("\n".join([str(work.root()), *work_listing.table(found)]))
        return
    if not asked.dry_run and (busy := caches.running(Path())):
        raise InputError(f"DVC is running ({busy[0]}): wait for it, or its stage makes again what goes")
    going = work_listing.chosen(found, asked.clean, asked.older_than, now=time.time())
    for line in work_listing.clean(going, dry_run=asked.dry_run):
        _print(line)


def _study(asked: argparse.Namespace) -> None:
    running.study(asked.name, asked.out, prompts_per_type=asked.prompts, jobs=asked.jobs, again=asked.again)


def _show(asked: argparse.Namespace) -> None:
    target = work.root() / "show"
    if asked.sample_id is not None:
        pictures.refuse_options("a sample", count=asked.count, seed=asked.seed)
        _print(listing.sample(asked.stage, asked.sample_id, target))
        return
    text = listing.stage(asked.stage)
    drawn = pictures.draw(asked.stage, target / asked.stage, count=asked.count, seed=asked.seed)
    _print("\n".join([text, *drawn]))


def convert_official(file: Path, out: Path, base: folder.Named, eta: float) -> None:
    """Write the authors' weights as an adapter folder.

    Raises:
        InputError: ``out`` exists, or the file is not the authors' state dict.
        ModelError: a base model's folder is not the named revision.
    """
    if out.exists():
        raise InputError(f"{out} exists: name a folder that does not, it would be replaced")
    model_folders.verify(base.model, base.revision)
    found = checkpoint.read(file)
    folder.save_official(out, found, base=base, eta=eta)
    _print(f"{file}: {checkpoint.told(found)}")
    _print(f"{out}: adapter for {base.model} at {base.revision}, eta {eta:g}, text states of width {found.width}")
    _print(f"SHA-256 of {file}, for adapter.official_checkpoint: {found.sha256}")


def _doctor() -> int:
    findings = list(doctor.examine(lambda: checking.examine(PARAMS)))
    for finding in findings:
        _print(f"{'ok ' if finding.good else 'BAD'}  {finding.what:12} {finding.text}")
    return 0 if all(finding.good for finding in findings) else 1


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")

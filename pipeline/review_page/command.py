"""``sur review``: opens the page on which a person judges pairs or pictures.

Reads     data/review_export/queue.parquet, data/clean/samples.parquet, data/download/parts     triplets
          data/sample/manifest.parquet, data/sample/parts                                       semantic, preference
Writes    reviews/<task>/<reviewer>.jsonl, one line an answer
Params    review
"""

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline import answers, cli, local_pages, params, work
from pipeline.errors import InputError
from pipeline.local_pages import LOOPBACK
from pipeline.review import locking
from pipeline.review.verdicts import NOT_A_PERSON, ReviewParams
from pipeline.review_page import guard, pairs, semantic, triplets
from pipeline.review_page.desk import Desk
from pipeline.review_page.journal import Journal
from pipeline.review_page.queue import Queue
from pipeline.review_page.shards import Shards
from pipeline.review_page.standing import Standing
from pipeline.review_page.task import Task

QUEUE = Path("data/review_export/queue.parquet")
CLEANED = Path("data/clean/samples.parquet")
MANIFEST = Path("data/sample/manifest.parquet")
PARTS = {
    "triplets": Path("data/download/parts"),
    "semantic": Path("data/sample/parts"),
    "preference": Path("data/sample/parts"),
}
REVIEWS = Path("reviews")
LONGEST_NAME = 80
PORT = 8765
HELP = "open the page on which a person judges pairs or pictures"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("task", nargs="?", choices=list(PARTS), default="triplets", help="default: %(default)s")
    parser.add_argument("--reviewer", metavar="NAME", help="who judges; asked for where it is left out")
    parser.add_argument("--adjudicate", action="store_true", help="decide the items on which reviewers differ")
    parser.add_argument("--port", type=cli.port, default=PORT, help="default %(default)s; 0 takes a free one")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--host", default=LOOPBACK, help="where to listen, default %(default)s: this machine alone")


def run(asked: argparse.Namespace) -> None:
    """Serve the page until it is interrupted.

    Raises:
        SurError: the name, a table, a line of reviews or the port is not usable, or another page has the file.
    """
    name = checked_name(asked.reviewer if asked.reviewer is not None else _ask_name())
    if asked.adjudicate and asked.task == "preference":
        raise InputError("preferences have no conflicts to decide: --adjudicate goes with triplets and semantic")
    store = work.root() / "review"
    journal = Journal(REVIEWS / asked.task / answers.file_name(name), locking.folder())
    with closing(journal):
        if torn := journal.repair():
            cli.say(f"{journal.path}: {torn} bytes of a line that was never saved are taken away")
        if (known := journal.names()) and name not in known:
            others = ", ".join(sorted(known))
            raise InputError(f"{journal.path} holds verdicts of {others}, not of {name}: one person has one name")
        config = params.load(ReviewParams, "review")
        desk = open_desk(asked.task, name, config, journal, adjudicating=asked.adjudicate)
        _serve(desk, asked, guard.token(store / "token"))


def checked_name(name: str) -> str:
    """A reviewer's name, spaces at its ends removed.

    Raises:
        InputError: it is empty, too long, has signs that do not print, or is a program's.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(f"a reviewer's name has 1 to {LONGEST_NAME} letters, digits and signs, got {name!r}")
    if name.endswith(NOT_A_PERSON):
        raise InputError(f"a name that ends in {NOT_A_PERSON!r} is a program's: choose another")
    return name


def open_desk(
    task_name: answers.Task, reviewer: str, config: ReviewParams, journal: Journal, *, adjudicating: bool
) -> Desk:
    """A reviewer's items, with all that was said of them so far."""
    task = load_task(task_name, reviewer, config)
    standing = Standing(REVIEWS / task_name, task, reviewer, adjudicating=adjudicating)
    standing.refresh()
    queue = Queue(task, standing, reviewer, config, adjudicating=adjudicating)
    own: dict[str, Any] = {"reviewer": reviewer, "seed": config.seed, "adjudicating": adjudicating}
    return Desk(task, standing, queue, journal, Shards(PARTS[task_name]), **own)


def load_task(name: answers.Task, reviewer: str, config: ReviewParams) -> Task:
    """The items of a task."""
    match name:
        case "triplets":
            return triplets.load(QUEUE, CLEANED)
        case "semantic":
            return semantic.load(MANIFEST)
        case "preference":
            return pairs.load(MANIFEST, reviewer, seed=config.seed, tie=config.tie)


def _serve(desk: Desk, asked: argparse.Namespace, secret: str) -> None:
    from waitress.server import create_server

    from pipeline.review_page.server import THREADS, application

    listening = local_pages.bound(asked.host, asked.port)
    port = listening.getsockname()[1]
    app = application(desk, secret=secret, host=asked.host, port=port)
    server = create_server(app, sockets=[listening], threads=THREADS, ident=None)
    shown = f"[{asked.host}]" if ":" in asked.host else asked.host
    address = f"http://{shown}:{port}/?token={secret}"
    if not guard.is_local(asked.host):
        cli.say(
            f"warning: whoever reaches {asked.host}:{port} can try to log in, and the token travels unencrypted; "
            "ssh -L from the reviewer's machine is safer (docs/review.md)"
        )
    progress = desk.progress()
    cli.say(
        f"{progress['mine']:,} answered, {progress['left']:,} to go; end with Ctrl+C, every answer is saved at once"
    )
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    if not asked.no_browser:
        webbrowser.open(address)
    try:
        server.run()
    finally:
        server.close()


def _ask_name() -> str:
    if not sys.stdin.isatty():
        raise InputError("who reviews? Say it with --reviewer NAME")
    return input("Your name, as it shall stand in the verdicts: ")


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m pipeline.review_page.command``: the same without the libraries of the other commands."""
    parser = argparse.ArgumentParser(prog="sur review", description=HELP)
    add_options(parser)
    parsed = parser.parse_args(arguments)
    return cli.guarded(lambda: run(parsed))


if __name__ == "__main__":
    raise SystemExit(main())

"""``sur review-export`` and ``sur review-import``: answers of people who do not use the review page."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline import answers, cli, tables
from pipeline.answers import Task
from pipeline.errors import InputError
from pipeline.generated import MANIFEST
from pipeline.params import load
from pipeline.prompts import Prompt, PromptFiles
from pipeline.prompts import read as read_prompts
from pipeline.review import exporting, pages, reading, studies, taking_in
from pipeline.review.reading import Source
from pipeline.review.studies import Key, Scope
from pipeline.review.taking_in import Outcome
from pipeline.review.tasks import QUEUE
from pipeline.review.verdicts import ReviewParams
from pipeline.tables import KEY

SAMPLED = Path("data/sample")
TASKS = Path("data/review_export/queue.parquet")
REVIEWS = Path("reviews")
MEGABYTE = 1_000_000
EXPORT, IMPORT = "review-export", "review-import"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both to the parser of ``sur``."""
    _add_export(commands)
    _add_import(commands)


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = commands.add_parser(EXPORT, help="generated pictures for people: Label Studio, a spreadsheet, one HTML file")
    made.add_argument("task", choices=[studies.SEMANTIC, studies.PREFERENCE], help="what is asked of them")
    made.add_argument("out", type=Path, help="the folder to write")
    made.add_argument("--html", action="store_true", help="pages that need no server, of a preference study")
    made.add_argument("--prompts", type=cli.count, help="the first so many prompts of each type (default: all)")
    made.add_argument(
        "--pictures", type=cli.count, help="the first so many pictures of each prompt and arm (default: all)"
    )
    made.add_argument("--seed", type=int, help="of order and sides (default: review.seed)")
    made.add_argument("--megabytes", type=cli.count, help="largest page; more pairs make more pages (default 20)")
    made.add_argument("--no-ties", action="store_true", help="of a pair: one must decide (default: as review.tie says)")


def _add_import(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    taken = commands.add_parser(
        IMPORT, help="take answers into reviews/: Label Studio's exports, CSV, lines, our page's"
    )
    taken.add_argument("file", type=Path, help="JSON, JSON-MIN, CSV, TSV or JSONL; which one shows in the file")
    taken.add_argument("--task", required=True, choices=list(answers.SHAPES), help="what was asked")
    taken.add_argument(
        "--reviewer",
        action="append",
        default=[],
        metavar="NAME or ID=NAME",
        help="who answered; with ID: that annotator or reviewer of the file (may come several times)",
    )
    taken.add_argument("--adjudicated", action="store_true", help="the answers decide conflicts of the reviewers")


def run(asked: argparse.Namespace) -> None:
    """Run the one that was asked for.

    Raises:
        SurError: a file is missing or wrong, or nothing is there to show.
    """
    if asked.command == EXPORT:
        export(asked)
    else:
        outcome = take_in(asked.file, asked.task, asked.reviewer, adjudicated=asked.adjudicated)
        for line in _told(outcome, asked.task):
            cli.say(line)


def export(asked: argparse.Namespace) -> None:
    """Write a study for people, and its key into ``reviews/keys``; seed and ties are those of ``review`` unless told.

    Raises:
        InputError: no pictures were sampled, or an option does not go with what is written.
        EmptyResultError: no picture is left.
    """
    _refuse_options(asked)
    manifest = tables.read(SAMPLED / "manifest.parquet", MANIFEST)
    prompts = read_prompts(load(PromptFiles, "sample").prompts)
    plan = studies.semantic if asked.task == studies.SEMANTIC else studies.preference
    config = load(ReviewParams, "review")
    seed = config.seed if asked.seed is None else asked.seed
    key = plan(manifest.to_pylist(), prompts, Scope(asked.prompts, asked.pictures), seed)
    ties = config.tie and not asked.no_ties
    kept = studies.save(key, studies.KEYS)
    if asked.html:
        _export_pages(key, prompts, manifest, asked, ties=ties)
    else:
        shown = studies.shown(key, prompts)
        pictures = exporting.read_pictures(SAMPLED / "parts", manifest, _wanted(shown))
        exporting.write(key, shown, pictures, asked.out, kept, ties=ties)
        cli.say(f"{asked.out}: {len(shown):,} items for Label Studio or a spreadsheet, see README.md there")
    cli.say(f"{kept}: which picture is which; keep it (git add), answers cannot be taken in without it")


def _refuse_options(asked: argparse.Namespace) -> None:
    if asked.html and asked.task != studies.PREFERENCE:
        raise InputError("--html goes with preference: pages without a server are made of pairs alone")
    if asked.no_ties and asked.task != studies.PREFERENCE:
        raise InputError("--no-ties goes with preference: only of pairs can one say that neither is better")
    if not asked.html and asked.megabytes is not None:
        raise InputError("--megabytes goes with --html")


def _wanted(shown: Sequence[studies.Shown]) -> set[str]:
    return {sample_id for one in shown for sample_id in one.sample_ids}


def _export_pages(
    key: Key, prompts: Sequence[Prompt], manifest: pa.Table, asked: argparse.Namespace, *, ties: bool
) -> None:
    shown = studies.shown(key, prompts)
    found = exporting.read_pictures(SAMPLED / "parts", manifest, _wanted(shown))
    pictures = {sample_id: pages.data_uri(content) for sample_id, content in found}
    most = (asked.megabytes or pages.MEGABYTES) * MEGABYTE
    for path, pairs in pages.write(key, shown, pictures, asked.out, most_bytes=most, ties=ties):
        cli.say(f"{path}: {pairs:,} pairs, {path.stat().st_size / MEGABYTE:.1f} MB")


def take_in(path: Path, task: Task, reviewers: Sequence[str], *, adjudicated: bool) -> Outcome:
    """Take the answers of a file into ``reviews/<task>``.

    Args:
        path: the file.
        task: what was asked.
        reviewers: ``NAME``, or ``ID=NAME`` for one of the file's reviewers.
        adjudicated: the answers decide conflicts.

    Raises:
        InputError: the file, an answer in it or a name is wrong, or preferences are to decide; nothing is written then.
    """
    if adjudicated and task == studies.PREFERENCE:
        raise InputError(f"{reading.NO_CONFLICTS}: --adjudicated goes with triplets and semantic")
    outcome = Outcome()
    source = Source(path, task, _names(reviewers), adjudicated, studies.KEYS)
    lines = reading.read(source, outcome.passed_over)
    taking_in.take_in(lines, REVIEWS / task, task, outcome, _today(task))
    return outcome


def _names(reviewers: Sequence[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for given in reviewers:
        found, _, name = given.rpartition("=")
        if not name.strip() or found in names:
            raise InputError(f"--reviewer {given}: give NAME once, or ID=NAME for each reviewer of the file")
        names[found.strip()] = name.strip()
    return names


def _today(task: Task) -> set[object] | None:
    """The items that can be judged today; None where the stage that makes them has not run."""
    manifest = SAMPLED / "manifest.parquet"
    if not (TASKS if task == "triplets" else manifest).is_file():
        return None
    if task == "triplets":
        return set(tables.read(TASKS, tables.select(QUEUE, ["review_key"])).column("review_key").to_pylist())
    rows = tables.read(manifest, tables.select(MANIFEST, [KEY, "sha256"])).to_pylist()
    digests = {row[KEY]: row["sha256"] for row in rows}
    return {*digests.items()} if task == "semantic" else {*answers.pairs(digests)}


def _told(outcome: Outcome, task: Task) -> list[str]:
    lines = [f"{path}: {count:,} answers taken in" for path, count in outcome.taken.items()]
    lines = lines or [f"reviews/{task}: nothing new"]
    lines += [f"{count:,} {reason}" for reason, count in sorted(outcome.passed_over.items())]
    if outcome.replaced:
        lines.append(f"{outcome.replaced:,} of those taken in have no time and replaced another answer, newer or older")
    if outcome.stale:
        lines.append(f"{outcome.stale:,} of those taken in are stale: their picture or prompts are not there today")
    return lines

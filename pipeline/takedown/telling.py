"""What ``sur takedown`` says: what goes and what stays, what is left and what to do about it."""

import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.params import load
from pipeline.sources.local_pictures import SCHEME
from pipeline.sources.settings import SourcesParams
from pipeline.takedown.stores import Step
from pipeline.takedown.traces import Traces

REVIEWS, EXPERIMENTS = Path("reviews"), Path(".dvc/tmp/exps")
SHOWN = 20
CACHED = "DVC cache"
LIMITS = """What this command cannot reach: DVC remotes (dvc gc --workspace --cloud removes what dvc.lock does not
name), other clones, copies of the data set and of adapters that were given away, and git's history, which holds
figures, verdicts on hashes and the takedown list. Contact sheets in the DVC cache went by the run that drew them: a
sheet of which neither dvc.lock nor DVC's record of runs tells is found by no search. The LLM's vector of a caption that
other samples have too stays theirs."""


def what_goes(asked: str, traces: Traces, plan: list[Step], *, dry_run: bool) -> None:
    """What goes, or would go.

    Args:
        asked: what was asked for.
        traces: of it.
        plan: what will be done.
        dry_run: it will not be done.
    """
    if not plan and not traces.copies:
        say(f"nothing here holds {asked}; the takedown list keeps it out from now on")
        return
    say(f"{asked}: {_listing(traces.ids - traces.copies)}")
    if traces.copies:
        say(f"near copies go too: {_listing(traces.copies)}")
    word = "would go" if dry_run else "goes"
    for step in plan:
        if step.what != CACHED:
            say(f"  {word}: {step.path} ({step.what})")
    if cached := [step.path for step in plan if step.what == CACHED]:
        size = sum(path.stat().st_size for path in cached) / 1e6
        say(f"  {word}: {len(cached)} objects of the DVC cache, {size:,.1f} MB; git commits that name them lose them")


def what_stays(traces: Traces, reviews: Iterable[Path]) -> None:
    """What nothing here removes: weights, people's own folders, and their answers.

    Args:
        traces: of what goes.
        reviews: files with people's answers that hold one of the traces.
    """
    for adapter in sorted(traces.adapters):
        say(f"  stays, was trained with it and cannot forget: {adapter}")
    for folder in sorted(traces.checkpoints):
        say(f"  stays, has states of a training that may have learned from it: rm -r {folder}")
    for address in sorted(url for url in traces.addresses if url.startswith(f"{SCHEME}://")):
        say(f"  stays, an import's folder is yours; delete it there: {_on_disk(address)}")
    for path in reviews:
        say(f"  stays: {path}: {remedy(path)}")


def _on_disk(address: str) -> str:
    """Where an import's picture lies, as far as params.yaml still tells; its address."""
    parts = urlsplit(address)
    known = load(SourcesParams, "sources").imports.get(parts.netloc)
    return f"{known.root / unquote(parts.path.lstrip('/'))}, {address}" if known else address


def _listing(names: Iterable[str]) -> str:
    shown = sorted(names)
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return f"{len(shown)} samples: {', '.join(shown[:SHOWN])}{more}"


def what_follows(traces: Traces, plan: list[Step]) -> None:
    """What to run next, and what was out of reach."""
    records = sorted({step.path.parts[2] for step in plan if step.path.parts[:2] == ("data", "scrape")})
    commit = f"dvc commit -f {' '.join(f'scrape@{name}' for name in records)} && " if records else ""
    say(f"now run: {commit}dvc repro")
    if traces.adapters:
        say("(it trains anew; delete the older adapters named above, and withdraw those that were given away)")
    if records:
        say("(the commit keeps the records as they are now; without it DVC would ask the sites for everything again)")
    say(LIMITS)


def say(text: str) -> None:
    """One line for people."""
    sys.stdout.write(text + "\n")


def remedy(path: Path) -> str:
    """What a person can do about a file that still holds a sample."""
    if path.is_relative_to(EXPERIMENTS):
        return f"a queued experiment's copy; dvc queue remove --all, then rm -r {EXPERIMENTS}"
    if path.is_relative_to(REVIEWS):
        return "people's answers, which no command edits: take its lines or tasks out by hand, then commit the file"
    return f"rm {path}"

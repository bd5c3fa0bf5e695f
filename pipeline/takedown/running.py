"""``sur takedown <id|url|sha256>``: what goes, the going, and the proof.

The order makes a kill harmless: the traces are written down first, then the entry into the takedown list, then things
go; the same command goes on with what was written down until the proof finds nothing.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from pipeline import work
from pipeline.cleaning import CleanParams
from pipeline.errors import InputError
from pipeline.files import digest, read_json, write_json
from pipeline.images import ImageParams
from pipeline.params import load
from pipeline.sources import renditions
from pipeline.takedown import caches, stores, telling
from pipeline.takedown.identifying import Sources, identify, tables_among
from pipeline.takedown.searching import PARQUET, files, holds, kind
from pipeline.takedown.stores import Step
from pipeline.takedown.telling import CACHED, EXPERIMENTS, REVIEWS
from pipeline.takedown.traces import Traces
from pipeline.takedown_list import add

DATA, REVIEW_PICTURES = Path("data"), Path("review-pictures")


@dataclass(frozen=True)
class Places:
    """Where traces can be."""

    root: Path
    work: Path
    cache: Path | None

    def searched(self) -> dict[str, list[Path]]:
        """All files that are searched, by the place's name."""
        journals = self.work / stores.JOURNALS
        found = {
            str(DATA): files(self.root / DATA),
            str(REVIEWS): files(self.root / REVIEWS),
            str(REVIEW_PICTURES): files(self.root / REVIEW_PICTURES),
            "the work store": [path for path in files(self.work) if journals not in path.parents],
            str(EXPERIMENTS): files(self.root / EXPERIMENTS),
        }
        return found | ({"the DVC cache": caches.objects(self.cache)} if self.cache else {})


def takedown(asked: str, *, dry_run: bool, today: date | None = None) -> None:
    """Remove a sample and everything made from it, here and now.

    Args:
        asked: a sample id, the address of a picture or its page, or the SHA-256 of a picture.
        dry_run: say what would go and touch nothing.
        today: the date to write down.

    Raises:
        InputError: DVC or a stage is running, or something is left at the end.
    """
    root = Path()
    if busy := caches.running(root):
        raise InputError(f"DVC is running ({busy[0]}): wait for it, or its outputs come back")
    places = Places(root, work.root(), caches.folder(root))
    with stores.held(places.work):
        journal = places.work / stores.JOURNALS / f"{digest(asked)}.json"
        traces = _traces(asked, places, journal)
        plan = _plan(places, traces)
        telling.what_goes(asked, traces, plan, dry_run=dry_run)
        telling.what_stays(traces, [path for path in places.searched()[str(REVIEWS)] if holds(path, traces)])
        if dry_run:
            return
        write_json(journal, traces.as_json())
        _note(asked, traces, today or datetime.now(UTC).date())
        for step in plan:
            step.act()
        _prove(places, traces)
        journal.unlink()
        telling.what_follows(traces, plan)


def _traces(asked: str, places: Places, journal: Path) -> Traces:
    """What is found now and what an earlier, killed takedown had written down."""
    searched = places.searched()
    tables = tables_among(path for name in (str(DATA), "the DVC cache") for path in searched.get(name, []))
    chunks = (
        [path for path in files(places.work / stage) if kind(path) == PARQUET]
        for stage in ("download", "clean", "caption")
    )
    traces = identify(asked, Sources(tables, *chunks), load(CleanParams, "clean"), load(ImageParams, "image"))
    if places.cache:
        known = caches.runs(places.root, places.cache)
        traces.adapters = caches.learned_from(tables, known, searched["the DVC cache"], traces)
    if any(caches.in_training(path, traces) for path in tables):
        traces.checkpoints = {str(path) for path in sorted((places.work / "train").glob("*")) if path.is_dir()}
    if journal.is_file():
        traces |= Traces.from_json(read_json(journal))
    return traces


def _plan(places: Places, traces: Traces) -> list[Step]:
    searched = places.searched()
    plan = _workspace_steps(searched[str(DATA)], places, traces)
    for path in searched[str(REVIEW_PICTURES)]:
        if holds(path, traces):
            plan.append(Step(path, "file", path.unlink))
    plan += stores.steps(places.work, traces)
    if places.cache:
        stored = searched["the DVC cache"]
        condemned = {path for path in stored if holds(path, traces)}
        condemned |= caches.related(condemned, caches.runs(places.root, places.cache), stored)
        plan += [Step(path, CACHED, partial(path.unlink, missing_ok=True)) for path in sorted(condemned)]
    return plan


def _workspace_steps(paths: list[Path], places: Places, traces: Traces) -> list[Step]:
    """Tables lose their rows; of other outputs each goes that shows a sample, or may: sheets and charts beside them.

    Tables stay for the sake of the next takedown: they tell what was made from the other samples.
    """
    outs = _outs(places)
    hits = [path for path in paths if holds(path, traces) and caches.ADAPTER not in path.as_posix()]
    rows = [path for path in hits if stores.is_table(path)]
    stages = {path.parts[1] for path in hits} | ({"report"} if hits else set())
    drawn = [path for path in paths if path.suffix in caches.PICTURES and path.parts[1] in stages]
    gone = sorted({_out_of(path, outs) for path in [*hits, *drawn] if path not in rows})
    return [
        *(Step(path, "rows", partial(stores.filter_table, path, traces)) for path in rows),
        *(Step(path, "output", partial(_discard, path)) for path in gone),
    ]


def _outs(places: Places) -> set[Path]:
    known = caches.runs(places.root, places.cache) if places.cache else []
    return {Path(path) for run in known if run.place == "dvc.lock" for path in run.outs}


def _out_of(path: Path, outs: set[Path]) -> Path:
    """The whole output that a file belongs to: half an output would be taken for all of it."""
    return next((folder for folder in (path, *path.parents) if folder in outs), path)


def _discard(path: Path) -> None:
    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _note(asked: str, traces: Traces, today: date) -> None:
    more = f" with {len(traces.copies)} near copies" if traces.copies else ""
    # A page may show other pictures later (imports have one page for all): it is kept out where it was asked for.
    addresses = {renditions.spellings(url)[0] for url in traces.addresses - traces.pages}
    entries = [asked, *sorted(traces.ids | addresses | traces.pictures), *sorted(traces.looks)]
    add(entries, f"{asked} was removed{more}", on=today)


def _prove(places: Places, traces: Traces) -> None:
    """Search everything again.

    Raises:
        InputError: something is left; the lines before say where.
    """
    left = []
    for name, paths in places.searched().items():
        found = [path for path in paths if path.name != "lock" and _still_holds(path, traces)]
        size = sum(path.stat().st_size for path in paths) / 1e6
        verdict = f"{len(found)} hold it" if found else "nothing left"
        telling.say(f"searched {name}: {len(paths):,} files, {size:,.1f} MB: {verdict}")
        left += found
    for path in left:
        telling.say(f"  left: {path}: {telling.remedy(path)}")
    if left:
        raise InputError(f"{len(left)} files still hold the sample, see above; then run the same command again")


def _still_holds(path: Path, traces: Traces) -> bool:
    if caches.ADAPTER in path.as_posix():
        return False  # weights: told of by name
    if kind(path) == PARQUET and path.name.startswith("chunk-"):
        return stores.chunk_holds(path, traces)
    return holds(path, traces)

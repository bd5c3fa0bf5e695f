"""Stage ``clean``: drop what cannot or must not be learned from, and split the rest without leaks.

Reads     data/download/parts/        downloading.DOWNLOADS
          takedown.txt                what people asked to be removed
          files of sample.prompts     prompts that must not be learned
Writes    data/clean/samples.parquet  cleaning.CLEANED
          data/clean/dropped.parquet  with the reason
          data/clean/report.json      the funnel, the splits
          data/clean/funnel.png       the funnel
Params    clean, sample.prompts
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import cleaning, cli, deciding, params, plots, prompts, samples, tables
from pipeline.cleaning import CLEANED, REASONS, CleanParams, HeldOut, Wording
from pipeline.deciding import KEPT, Judgement
from pipeline.downloading import DOWNLOADS_WITHOUT_IMAGE
from pipeline.errors import EmptyResultError
from pipeline.examining import Examined, examine
from pipeline.grouping import split_of
from pipeline.sources.prompt_syntax import plain
from pipeline.takedown_list import TAKEDOWNS, Takedowns
from pipeline.takedown_list import read as read_takedowns

DOWNLOADED = Path("data/download/parts")
CLEANED_FOLDER = Path("data/clean")
PUBLISHED = tables.select(DOWNLOADS_WITHOUT_IMAGE, CLEANED.names)


def main() -> None:
    """Clean with the settings in force."""
    config = params.load(CleanParams, "clean")
    prompt_files = params.load(prompts.PromptFiles, "sample").prompts
    texts = [text for prompt in prompts.read(prompt_files) for text in (prompt.text, prompt.complex) if text]
    held_out = HeldOut(map(plain, texts))
    clean(DOWNLOADED, CLEANED_FOLDER, config, taken_down=read_takedowns(TAKEDOWNS), held_out=held_out)


def clean(parts: Path, target: Path, config: CleanParams, *, taken_down: Takedowns, held_out: HeldOut) -> None:
    """Measure every picture once, decide about all rows together, and write both sides, a shard at a time.

    Args:
        parts: shards of DOWNLOADS.
        target: folder of the outputs.
        config: settings.
        taken_down: the takedown list.
        held_out: prompts that must not be learned.
    """
    wording = Wording(config.min_ascii_share, config.refused_words)
    examined = examine(parts, taken_down=taken_down.names, held_out=held_out, wording=wording)
    names, judgement = examined.names, deciding.judge(examined.evidence, config, removed=taken_down.looks)
    counted = np.unique(judgement.reasons[judgement.reasons != KEPT], return_counts=True)
    reasons = Counter({REASONS[number]: int(count) for number, count in zip(*counted, strict=True)})
    if reasons.total() == len(names):
        raise EmptyResultError(_emptied(len(names), reasons))
    tables.write(_dropped(names, judgement), target / "dropped.parquet", tables.DROPPED)
    told: dict[str, Counter[str]] = {"splits": Counter(), "by_source": Counter()}
    kept = _kept(parts, examined, judgement, config, told)
    tables.write_in_order(kept, target / "samples.parquet", CLEANED)
    funnel = _funnel(len(names), reasons)
    groups = len(np.unique(judgement.groups[judgement.reasons == KEPT]))
    more = {"funnel": funnel, "groups": groups, **told, **_takedown_figures(taken_down, examined.known)}
    samples.write_report(target / "report.json", len(names), told["splits"].total(), reasons, **more)
    _draw(funnel, target / "funnel.png")
    cli.say(f"clean: {told['splits'].total():,} samples, {reasons.total():,} dropped")


def _dropped(names: pa.StringArray, judgement: Judgement) -> pa.Table:
    rows = np.flatnonzero(judgement.reasons != KEPT)
    reasons = pa.array(REASONS).take(pa.array(judgement.reasons[rows]))
    return pa.Table.from_arrays([names.take(pa.array(rows)), reasons], schema=tables.DROPPED)


def _kept(
    parts: Path, examined: Examined, judgement: Judgement, config: CleanParams, told: dict[str, Counter[str]]
) -> Iterator[pa.Table]:
    """The samples, shard by shard; counts them by split and source."""
    start, shares = 0, {"val_share": config.val_share, "test_share": config.test_share}
    for path in tables.shards(parts):
        rows = tables.read(path, PUBLISHED)
        kept = start + np.flatnonzero(judgement.reasons[start : start + rows.num_rows] == KEPT)
        groups = examined.names.take(pa.array(judgement.groups[kept]))
        evidence = examined.evidence[kept]
        extra = {
            "split": [split_of(group, seed=config.seed, **shares) for group in groups.to_pylist()],
            "group": groups,
            "part": [path.name] * len(kept),
            "width": evidence["width"],
            "height": evidence["height"],
            "phash": [f"{number:016x}" for number in evidence["phash"].tolist()],
        }
        rows, start = rows.take(pa.array(kept - start)), start + rows.num_rows
        told["splits"].update(extra["split"])
        told["by_source"].update(rows.column("source").to_pylist())
        columns = [extra[name] if name in extra else rows.column(name) for name in CLEANED.names]
        yield pa.table(columns, schema=CLEANED)


def _takedown_figures(taken_down: Takedowns, known: AbstractSet[str]) -> dict[str, Any]:
    """How many entries the list has, and those that mean no picture although nothing was removed for them yet."""
    if not taken_down.names:
        return {}
    unknown = sorted(taken_down.names - taken_down.removed - known)
    for entry in unknown:
        cli.say(f"warning: {TAKEDOWNS} names {entry}, which is no id, address or SHA-256 of a downloaded picture")
    return {"takedown": {"entries": len(taken_down.names), "without_picture": unknown}}


def _emptied(total: int, reasons: Counter[str]) -> str:
    reason, count = (reasons.most_common(1) or [("nothing", 0)])[0]
    setting = cleaning.SETTINGS.get(reason, "data/clean/dropped.parquet")
    return f"clean keeps none of {total} pictures, {count} are dropped as {reason}: look at {setting}"


def _funnel(total: int, reasons: Counter[str]) -> list[dict[str, Any]]:
    """What is left after each reason, in the order in which they are checked."""
    steps, left = [{"step": "downloaded", "left": total}], total
    for reason in filter(reasons.get, cleaning.REASONS):
        left -= reasons[reason]
        steps.append({"step": reason, "left": left})
    return steps


def _draw(funnel: Sequence[dict[str, Any]], path: Path) -> None:
    names = [step["step"].replace("_", " ") for step in funnel]
    with plots.figure(path, height_in=0.6 + 0.32 * len(funnel)) as axes:
        bars = axes.barh(range(len(funnel)), [step["left"] for step in funnel], color=plots.BLUE)
        axes.bar_label(bars, padding=3, fmt="{:,.0f}")
        axes.set_yticks(range(len(funnel)), ["downloaded", *(f"not {name}" for name in names[1:])])
        axes.invert_yaxis()
        axes.set_title("Pictures left after each check")


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

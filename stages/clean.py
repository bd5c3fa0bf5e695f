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
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import cleaning, cli, engine, images, params, picture_facts, plots, prompts, samples, tables
from pipeline.cleaning import CLEANED, Candidate, CleanParams, Outcome, prompt_key
from pipeline.downloading import DOWNLOADS_WITHOUT_IMAGE
from pipeline.picture_facts import FACTS, measure
from pipeline.sources.prompt_syntax import plain
from pipeline.tables import KEY, column
from pipeline.work import ROW_KEY, ResultStore

DOWNLOADED = Path("data/download/parts")
CLEANED_FOLDER = Path("data/clean")
TAKEDOWNS = Path("takedown.txt")
BATCH = 250
PLACED = tables.extend(DOWNLOADS_WITHOUT_IMAGE, column("part", pa.string(), "shard that holds the picture"))


def main() -> None:
    """Clean with the settings in force."""
    config = params.load(CleanParams, "clean")
    prompt_files = params.load(prompts.PromptFiles, "sample").prompts
    kept_apart = {
        prompt_key(plain(text))
        for prompt in prompts.read(prompt_files)
        for text in (prompt.text, prompt.complex)
        if text
    }
    taken_down = cleaning.read_takedowns(TAKEDOWNS)
    clean(DOWNLOADED, CLEANED_FOLDER, config, taken_down=taken_down, evaluation_prompts=kept_apart)


def clean(
    parts: Path,
    target: Path,
    config: CleanParams,
    *,
    taken_down: Collection[str],
    evaluation_prompts: Collection[str],
) -> None:
    """Measure every picture once, decide about all rows together, and write both sides.

    Args:
        parts: shards of DOWNLOADS.
        target: folder of the outputs.
        config: settings.
        taken_down: entries of the takedown list.
        evaluation_prompts: prompt keys that must not be learned.
    """
    rows = _read_rows(parts)
    facts = _measured(parts, rows)
    candidates = [_candidate(row, known) for row, known in zip(rows.to_pylist(), facts.to_pylist(), strict=True)]
    outcomes = cleaning.judge(candidates, config, taken_down=taken_down, evaluation_prompts=evaluation_prompts)
    reasons = Counter(outcome.drop_reason for outcome in outcomes if outcome.drop_reason)
    cleaned = samples.require_rows(_cleaned(rows, facts, outcomes), _emptied(len(outcomes), reasons))
    tables.write(cleaned, target / "samples.parquet", CLEANED)
    samples.drop(_with_reason(rows, outcomes), target / "dropped.parquet")
    funnel = _funnel(len(outcomes), reasons)
    splits = Counter(cleaned.column("split").to_pylist())
    sources = Counter(cleaned.column("source").to_pylist())
    groups = pc.count_distinct(cleaned.column("group")).as_py()
    more = {"funnel": funnel, "splits": splits, "by_source": sources, "groups": groups}
    samples.write_report(target / "report.json", len(outcomes), cleaned.num_rows, reasons, **more)
    _draw(funnel, target / "funnel.png")
    cli.say(f"clean: {cleaned.num_rows:,} samples, {reasons.total():,} dropped")


def _read_rows(parts: Path) -> pa.Table:
    read = [(path.name, tables.read(path, DOWNLOADS_WITHOUT_IMAGE)) for path in tables.shards(parts)]
    placed = [table.append_column(PLACED.field("part"), [[name] * table.num_rows]) for name, table in read]
    return tables.check(pa.concat_tables(placed), PLACED)


def _measured(parts: Path, rows: pa.Table) -> pa.Table:
    """The facts of each row's picture, in the order of the rows; equal bytes are measured once."""
    keys = rows.column("image_sha256").to_pylist()
    places = {key: index for index, key in reversed(list(enumerate(keys)))}

    def load(wanted: Sequence[str]) -> pa.Table:
        chosen = rows.take([places[key] for key in wanted]).select([KEY, "part"])
        pictures = samples.read_images(parts, chosen)
        return pa.table({ROW_KEY: list(wanted), "image": [pictures[name] for name in chosen.column(KEY).to_pylist()]})

    store = ResultStore("clean", {"facts": "size, phash, 8 x 8 thumbnail"}, FACTS, code=(picture_facts, images))
    return engine.run(lambda: measure, load, keys, store, batch=BATCH, label="clean")


def _candidate(row: dict[str, Any], facts: dict[str, Any]) -> Candidate:
    return Candidate(
        sample_id=row[KEY],
        image_sha256=row["image_sha256"],
        names=frozenset((row[KEY], row["page_url"], row["image_url"], row["image_sha256"])),
        prompt=row["complex_prompt"],
        nsfw_level=row["nsfw_level"],
        **{name: facts[name] for name in FACTS.names},
    )


def _cleaned(rows: pa.Table, facts: pa.Table, outcomes: Sequence[Outcome]) -> pa.Table:
    extra = {
        "split": [outcome.split for outcome in outcomes],
        "group": [outcome.group for outcome in outcomes],
        **{name: facts.column(name) for name in ("width", "height", "phash")},
    }
    columns = [extra[name] if name in extra else rows.column(name) for name in CLEANED.names]
    table = tables.check(pa.table(columns, schema=CLEANED), CLEANED)
    return table.filter(pa.array([outcome.drop_reason is None for outcome in outcomes], pa.bool_()))


def _with_reason(rows: pa.Table, outcomes: Sequence[Outcome]) -> pa.Table:
    reasons = pa.array([outcome.drop_reason for outcome in outcomes], pa.string())
    return rows.select([KEY]).append_column("drop_reason", reasons)


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

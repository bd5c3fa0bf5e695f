"""Stage ``review_export``: what people review, the pairs that the CLIP filter kept.

Reads     data/clip_filter/scores.parquet         samples.SCORES
Writes    data/review_export/queue.parquet        review.tasks.QUEUE
          data/review_export/tasks.json           Label Studio's import format
          data/review_export/tasks.csv            the same for a spreadsheet
          data/review_export/README.md            how a person starts
          data/review_export/report.json
Params    none
"""

from pathlib import Path

from pipeline import cli, tables
from pipeline.errors import EmptyResultError
from pipeline.files import write_text
from pipeline.review import tasks
from pipeline.samples import write_report

SCORED = Path("data/clip_filter/scores.parquet")
TARGET = Path("data/review_export")


def main() -> None:
    """Write the queue of the CLIP filter's pairs."""
    review_export(SCORED, TARGET)


def review_export(scored: Path, target: Path) -> None:
    """Write queue, Label Studio tasks, CSV and guide for all pairs that the filter kept.

    Raises:
        EmptyResultError: the filter kept no pair.
    """
    ranks = tasks.ranks(scored)
    pairs = len(ranks) - ranks.null_count
    if not pairs:
        raise EmptyResultError("no pair to review: clip_filter kept none, see clip.margin")
    queue = target / "queue.parquet"
    tables.write_in_order(tasks.queue(scored, ranks), queue, tasks.QUEUE)
    tasks.write_json_list(target / "tasks.json", map(tasks.label_studio, tasks.in_order(queue)))
    tasks.write_csv(target / "tasks.csv", tasks.in_order(queue))
    first = next(tasks.in_order(queue))
    write_text(target / "README.md", tasks.guide(pairs, first["review_key"]))
    left_out = {"not_kept_by_clip_filter": ranks.null_count}
    write_report(target / "report.json", len(ranks), pairs, left_out, least_margin=first["margin"])
    cli.say(f"review_export: {pairs:,} pairs to review, see {target / 'README.md'}")


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

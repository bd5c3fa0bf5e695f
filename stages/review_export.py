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

import pyarrow.compute as pc

from pipeline import cli, tables
from pipeline.files import write_json, write_text
from pipeline.review import tasks
from pipeline.samples import SCORES, require_rows, write_report

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
    rows = tables.read(scored, SCORES)
    kept = require_rows(rows.filter(rows.column("kept")), "no pair to review: clip_filter kept none, see clip.margin")
    queue = tasks.queue(kept)
    tables.write(queue, target / "queue.parquet", tasks.QUEUE)
    write_json(target / "tasks.json", tasks.label_studio(queue))
    write_text(target / "tasks.csv", tasks.as_csv(queue))
    write_text(target / "README.md", tasks.guide(queue))
    least = pc.min(queue.column("margin")).as_py()
    left_out = rows.num_rows - kept.num_rows
    write_report(
        target / "report.json", rows.num_rows, kept.num_rows, {"not_kept_by_clip_filter": left_out}, least_margin=least
    )
    cli.say(f"review_export: {kept.num_rows:,} pairs to review, see {target / 'README.md'}")


if __name__ == "__main__":
    cli.run(main, doc=__doc__)

"""Writes the queue's pictures as JPEG files, for reviewers and for Label Studio's local-files storage.

Usage     python -m pipeline.review.pictures FOLDER
Reads     data/review_export/queue.parquet, data/download/parts
Writes    FOLDER/<image_sha256>.jpg, at most 768 px a side; files that are there are left as they are
"""

from pathlib import Path

from pipeline import cli, tables
from pipeline.files import atomic_file
from pipeline.images import decode
from pipeline.review.tasks import QUEUE
from pipeline.samples import read_images

TASKS = Path("data/review_export/queue.parquet")
PARTS = Path("data/download/parts")
LARGEST_PX = 768
ROWS_AT_ONCE = 200


def main(folder: str) -> None:
    """Unpack the pictures of the queue into the folder."""
    written = unpack(TASKS, PARTS, Path(folder))
    cli.say(f"{written:,} pictures written into {folder}")


def unpack(queue: Path, parts: Path, folder: Path) -> int:
    """Write what is missing in the folder; gives the number of files written."""
    rows = tables.read(queue, QUEUE).sort_by("part")
    missing = [not (folder / f"{digest}.jpg").is_file() for digest in rows.column("image_sha256").to_pylist()]
    rows = rows.filter(missing)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows.slice(start, ROWS_AT_ONCE)
        pictures = read_images(parts, some)
        for row in some.to_pylist():
            picture = decode(pictures[row["sample_id"]])
            picture.thumbnail((LARGEST_PX, LARGEST_PX))
            with atomic_file(folder / f"{row['image_sha256']}.jpg") as temporary:
                picture.save(temporary, "JPEG", quality=90)
    return sum(missing)


if __name__ == "__main__":
    cli.run(main, doc=__doc__, arguments={"folder": "where the pictures go"})

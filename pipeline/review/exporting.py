"""A study of generated pictures for Label Studio and for spreadsheets: pictures, tasks, configuration, guide."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.answers import QUESTIONS, SKILLS
from pipeline.files import atomic_file, write_bytes, write_json, write_text
from pipeline.images import decode
from pipeline.review import forms
from pipeline.review.studies import Key, Shown
from pipeline.review.tasks import inert
from pipeline.samples import read_images
from pipeline.tables import KEY

PICTURES = "pictures"
ROWS_AT_ONCE = 200
GUIDE = """\
# A {task} study: {count} items

`tasks.json` is for Label Studio with `config.xml`, `tasks.csv` for a spreadsheet; the pictures lie in `pictures`.
Arm and side are told nowhere here: the key stays in `{key}`.

Label Studio: make a project with the configuration, import `tasks.json` once, and serve the pictures with
`LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true`, `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}` and a local-files
storage on its subfolder `pictures`. See docs/label-studio.md.

Spreadsheet: {columns}

What comes back:

    sur review-import FILE --task {task} --reviewer NAME
"""
COLUMNS = {
    "semantic": "write yes, no or unsure into the columns that `asked` names.",
    "preference": "write left, right or tie into the last columns.",
}
NO_TIES = "write left or right into the last columns."


def write(
    key: Key,
    shown: Sequence[Shown],
    pictures: Iterable[tuple[str, bytes]],
    target: Path,
    kept: Path,
    *,
    ties: bool,
) -> None:
    """Write the folder; pictures that are there are replaced.

    Args:
        key: of the study.
        shown: its items in their order.
        pictures: sample_id and encoded picture, of all items, in any order.
        target: the folder.
        kept: where the key was written.
        ties: whether one may say of a pair that neither is better.
    """
    files = _file_names(shown)
    for sample_id, content in pictures:
        for name in files.get(sample_id, ()):
            write_bytes(target / PICTURES / name, _png(content))
    tasks = [forms.task(one, _names(one), PICTURES) for one in shown]
    write_json(target / "tasks.json", tasks)
    write_text(target / "config.xml", forms.config(key, ties=ties))
    _write_csv(target / "tasks.csv", key, shown)
    columns = COLUMNS[key.task] if ties or key.task == "semantic" else NO_TIES
    text = GUIDE.format(task=key.task, count=f"{len(shown):,}", key=kept, root=target.absolute(), columns=columns)
    write_text(target / "README.md", text)


def _png(content: bytes) -> bytes:
    """The same picture without what else its file may hold."""
    stream = io.BytesIO()
    decode(content).save(stream, "PNG")
    return stream.getvalue()


def _names(one: Shown) -> list[str]:
    """File names of what is shown, which tell no more than the item does."""
    ends = [""] if len(one.sample_ids) == 1 else ["-left", "-right"]
    return [f"{one.item}{end}.png" for end in ends]


def _file_names(shown: Iterable[Shown]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in shown:
        for sample_id, name in zip(one.sample_ids, _names(one), strict=True):
            found.setdefault(sample_id, []).append(name)
    return found


def _write_csv(path: Path, key: Key, shown: Iterable[Shown]) -> None:
    asked = list(QUESTIONS) if key.task == "preference" else list(SKILLS)
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["item", "prompt", "asked", "pictures", *asked, "note"])
        for one in shown:
            blank = [""] * (len(asked) + 1)
            writer.writerow([one.item, inert(one.text), ", ".join(one.asked), " ".join(_names(one)), *blank])


def read_pictures(parts: Path, manifest: pa.Table, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """sample_id and encoded picture of the wanted ones, some hundred in memory at a time.

    Args:
        parts: ``data/sample/parts``.
        manifest: generated.MANIFEST.
        wanted: sample ids.
    """
    within = [sample_id in wanted for sample_id in manifest.column(KEY).to_pylist()]
    table = manifest.filter(pa.array(within)).select([KEY, "part"]).sort_by("part")
    for start in range(0, table.num_rows, ROWS_AT_ONCE):
        yield from read_images(parts, table.slice(start, ROWS_AT_ONCE)).items()

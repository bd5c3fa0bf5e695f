"""Files in which answers come back: Label Studio's JSON, JSON-MIN, CSV and TSV exports, plain CSV, our lines, our page.

Which it is shows in the file. Each answer becomes a :class:`Row`: the names of fields with what was said, in lists.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.review import label_studio
from pipeline.review.answer_rows import Row, read_number

PAGE_FORMAT = "sur-preference-answers/1"


def read(path: Path) -> Iterator[Row]:
    """The answers of a file, in its order.

    Raises:
        InputError: it is missing, a folder, empty, no UTF-8, or of no form that is known; says what is known.
    """
    try:
        yield from _rows(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder: name the file with the answers") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}; save it as CSV UTF-8 or JSON") from error


def _rows(path: Path) -> Iterator[Row]:
    match _first_sign(path):
        case "[":
            yield from label_studio.tasks(path)
        case "{":
            yield from _lines(path)
        case _:
            yield from _csv(path)


def _first_sign(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as stream:
        text = stream.read(4096).lstrip()
    if not text:
        raise InputError(f"{path} is empty")
    return text[0]


def _lines(path: Path) -> Iterator[Row]:
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        whole = json.loads(content)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and "format" in whole:
        yield from _page(path, whole)
        return
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield Row(f"line {number}", {}, line=line)


def _page(path: Path, found: Mapping[str, Any]) -> Iterator[Row]:
    match found:
        case {"format": format, "reviewer": str(reviewer), "answers": list(answers)} if format == PAGE_FORMAT:
            for number, answer in enumerate(answers, start=1):
                if not isinstance(answer, dict):
                    raise InputError(f"{path}, answer {number}: is no object: take the file as the page saved it")
                yield Row(f"answer {number}", answer, reviewer, answer.get("seconds"), answer.get("at"))
        case _:
            raise InputError(f"{path} is not a file of answers of the format {PAGE_FORMAT}, or it was changed")


def _csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header = stream.readline()
        stream.seek(0)
        rows = csv.reader(stream, delimiter=max(",;\t", key=header.count), strict=True)
        try:
            names = [name.strip() for name in next(rows)]
            _known_header(path, names)
            for cells in rows:
                if any(cells):
                    yield from _csv_row(path, rows.line_num, names, cells)
        except csv.Error as error:
            raise InputError(f"{path}, line {rows.line_num + 1}: no CSV: {error}") from error


def _known_header(path: Path, names: list[str]) -> None:
    if not {"review_key", "item", "sample_id"} & {*names} or len(names) < 2:
        raise InputError(
            f"{path}, line 1: has no column review_key or item, only {', '.join(names)[:80]}: it is neither an export "
            "of our tasks nor tasks.csv with answers"
        )


def _csv_row(path: Path, line: int, names: list[str], cells: list[str]) -> Iterator[Row]:
    if len(cells) != len(names):
        raise InputError(f"{path}, line {line}: has {len(cells)} cells where the header has {len(names)}")
    record = dict(zip(names, cells, strict=True))
    if "annotation_id" in record and "annotator" in record:
        yield from label_studio.flat(path, f"line {line}", record)
        return
    taken = read_number(path, f"line {line}", record, "seconds")
    fields = {name: label_studio.unpacked(cell.strip()) for name, cell in record.items()}
    yield Row(f"line {line}", fields, record.get("reviewer", "").strip() or None, taken, record.get("at") or None)

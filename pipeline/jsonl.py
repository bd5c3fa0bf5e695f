"""Lines of JSON that people's tools append: each line checked against a model, a broken one told with its place."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import InputError
from pipeline.fault_words import told


class Record(BaseModel):
    """One line. Keys that are not known are passed over: another tool may note more than is read here."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


RecordT = TypeVar("RecordT", bound=Record)


def read_folder(folder: Path, shape: type[RecordT]) -> Iterator[RecordT]:
    """The lines of all ``*.jsonl`` files of a folder, files by name, lines in their order; empty lines do not count.

    Raises:
        InputError: a line is no JSON or lacks what is needed; names file and line.
    """
    for path in sorted(folder.glob("*.jsonl")):
        yield from _read_file(path, shape)


def _read_file(path: Path, shape: type[RecordT]) -> Iterator[RecordT]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield shape.model_validate_json(line)
                except ValidationError as error:
                    raise InputError(f"{path}, line {number}: {told(error)}; repair or remove the line") from error

"""Taking samples out of the work store: rows of results, items of archived answers, files that show a sample."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from pipeline import tables
from pipeline.errors import InputError
from pipeline.files import digest, read_json, write_bytes, write_json, write_text
from pipeline.tables import KEY
from pipeline.takedown.searching import (
    GZIP,
    PARQUET,
    answer_holds,
    archived,
    files,
    holds,
    kind,
    links_hold,
    row_holds,
    source_of,
    text_holds,
    without_items,
)
from pipeline.takedown.traces import Traces
from pipeline.work import ROW_KEY

LINK = re.compile(r"<a\b.*?</a>", re.DOTALL | re.IGNORECASE)
JOURNALS = "takedown"


@dataclass(frozen=True)
class Step:
    """One thing to do."""

    path: Path
    what: str
    """For people, for instance ``3 rows``."""
    act: Callable[[], None]


@contextmanager
def held(work: Path) -> Iterator[None]:
    """The locks of all stores, so that nothing is added while things go.

    Raises:
        InputError: somebody writes to one: a stage without DVC, or ``sur retry-failed``.
    """
    with ExitStack() as stack:
        for path in [path for path in files(work) if path.name == "lock"]:
            try:
                stack.enter_context(FileLock(path, timeout=0))
            except Timeout as error:
                message = f"{path.parent} is being written to (a stage, or sur retry-failed): wait for it to end"
                raise InputError(message) from error
        yield


def steps(work: Path, traces: Traces) -> list[Step]:
    """What has to be taken out of the work store."""
    found = []
    for path in files(work):
        if path.relative_to(work).parts[0] != JOURNALS and path.name != "lock":
            found += _steps_for(path, traces)
    return found


def _steps_for(path: Path, traces: Traces) -> list[Step]:
    mark = kind(path)
    if mark == PARQUET and ROW_KEY in pq.read_schema(path).names:
        rows = sum(_mask(pq.read_table(path), traces))
        return [Step(path, f"{rows} rows", lambda: _filter_chunk(path, traces))] if rows else []
    if not holds(path, traces):
        return []
    if path.suffix == ".jsonl":
        return [Step(path, "lines", lambda: _drop_lines(path, traces))]
    if mark == GZIP and _cut(path, traces) is not None:
        return [Step(path, "items of an archived answer", lambda: _rewrite(path, traces))]
    return [Step(path, "file", path.unlink)]


def _mask(chunk: pa.Table, traces: Traces) -> list[bool]:
    """Which rows of a chunk were made from a sample: by key (address, picture, caption) or by content."""
    keys = traces.addresses | traces.digests | traces.captions
    named = [key in keys or key.partition("-")[0] in traces.pictures for key in chunk.column(ROW_KEY).to_pylist()]
    return [one or other for one, other in zip(named, row_holds(chunk, traces), strict=True)]


def chunk_holds(path: Path, traces: Traces) -> bool:
    """Whether a chunk of results has a row of a sample, by key or content."""
    return any(_mask(pq.read_table(path), traces))


def _filter_chunk(path: Path, traces: Traces) -> None:
    """Write the chunk anew without the rows, under the name of what is left; then the old one goes."""
    table = pq.read_table(path)
    left = table.filter(pa.array([not gone for gone in _mask(table, traces)]))
    if left.num_rows:
        name = f"chunk-{digest(left.column(ROW_KEY).to_pylist())}.parquet"
        tables.write(left, path.with_name(name), left.schema)
    path.unlink()


def _drop_lines(path: Path, traces: Traces) -> None:
    """Write a log anew without the lines that mean a sample; addresses that failed are told in one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    write_text(path, "".join(f"{line}\n" for line in lines if not text_holds(line, traces)))


def is_table(path: Path) -> bool:
    """Whether a file is a table of samples."""
    return kind(path) == PARQUET and KEY in pq.read_schema(path).names


def filter_table(path: Path, traces: Traces) -> None:
    """Write a table anew without the samples' rows; a source's report counts them."""
    table = pq.read_table(path)
    ids = [name in traces.ids for name in table.column(KEY).to_pylist()]
    gone = [one or other for one, other in zip(ids, row_holds(table, traces), strict=True)]
    tables.write(table.filter(pc.invert(pa.array(gone))), path, table.schema)
    report = path.with_name("report.json")
    if path.name == "records.parquet" and report.is_file():
        figures = read_json(report)
        dropped = {**figures["dropped"], "takedown": figures["dropped"].get("takedown", 0) + sum(gone)}
        write_json(report, {**figures, "out": figures["out"] - sum(gone), "dropped": dropped})


def _cut(path: Path, traces: Traces) -> dict[str, Any] | None:
    """An archived answer without the samples' items; None where cutting does not get rid of them."""
    answer = archived(gzip.decompress(path.read_bytes()).decode("utf-8", "replace"))
    if answer is None:
        return None
    try:
        body = json.loads(answer["body"])
    except ValueError:
        left = LINK.sub(lambda link: "" if _shows(link.group(), answer, traces) else link.group(), answer["body"])
    else:
        left = json.dumps(without_items(body, source_of(path), traces), ensure_ascii=False)
    cut = {**answer, "body": left}
    still = text_holds(json.dumps(cut, ensure_ascii=False), traces) or answer_holds(cut, source_of(path), traces)
    return None if still else cut


def _shows(link: str, answer: dict[str, Any], traces: Traces) -> bool:
    return text_holds(link, traces) or links_hold(link, answer, traces)


def _rewrite(path: Path, traces: Traces) -> None:
    cut = _cut(path, traces)
    assert cut is not None  # else there were no such step
    write_bytes(path, gzip.compress(json.dumps(cut, ensure_ascii=False).encode(), mtime=0))

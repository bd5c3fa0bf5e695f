"""Looking at a stage's output in a terminal: ``sur show <stage>`` and ``sur show <stage> <sample_id>``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import files
from pipeline.errors import InputError
from pipeline.tables import KEY

DATA = Path("data")


def stage(name: str, data: Path = DATA) -> str:
    """What lies in ``data/<stage>``: the figures of its report, its tables with rows and columns, its pictures.

    Raises:
        InputError: there is no such stage or it has not run.
    """
    folder = _folder(name, data)
    lines = [f"{folder}"]
    for report in sorted(folder.rglob("report.json")):
        where = "" if report.parent == folder else f"{report.parent.relative_to(folder)}: "
        lines += [f"  {where}{line}" for line in _figures(files.read_json(report))]
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "report.json" and not path.name.startswith("."):
            lines.append(f"  {path.relative_to(folder)}  {_what(path)}")
    return "\n".join(lines)


def sample(name: str, sample_id: str, pictures: Path, data: Path = DATA) -> str:
    """Everything that a stage's tables hold of one sample; its picture is written into ``pictures``.

    Raises:
        InputError: no table of the stage has this sample.
    """
    folder = _folder(name, data)
    lines: list[str] = []
    for path in sorted(folder.rglob("*.parquet")):
        for row in _rows(path, sample_id):
            lines.append(f"{path.relative_to(folder)}")
            lines += [f"  {key}: {_value(value, sample_id, pictures)}" for key, value in row.items()]
    if not lines:
        raise InputError(f"{folder} has no sample {sample_id}: sur show {name} lists its tables")
    return "\n".join(lines)


def _folder(name: str, data: Path) -> Path:
    folder = data / name
    if not folder.is_dir():
        stages = ", ".join(sorted(path.name for path in data.glob("*") if path.is_dir())) or "none has run yet"
        raise InputError(f"{folder} is missing: run dvc repro {name}, or name one of: {stages}")
    return folder


def _figures(report: Any, prefix: str = "") -> Iterator[str]:
    for key, value in report.items():
        if isinstance(value, dict):
            yield from _figures(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key} = {json.dumps(value, ensure_ascii=False)}"


def _what(path: Path) -> str:
    match path.suffix:
        case ".parquet":
            meta = pq.read_metadata(path)
            return f"{meta.num_rows} rows: {', '.join(pq.read_schema(path).names)}"
        case ".png" | ".jpg" | ".html":
            return "open it to look"
    return f"{path.stat().st_size / 1000:.1f} kB"


def _rows(path: Path, sample_id: str) -> list[dict[str, Any]]:
    if KEY not in pq.read_schema(path).names:
        return []
    keys = pq.read_table(path, columns=[KEY])
    if not pc.any(pc.equal(keys.column(KEY), sample_id)).as_py():
        return []
    found: list[dict[str, Any]] = pq.read_table(path, filters=[(KEY, "==", sample_id)]).to_pylist()
    return found


def _value(value: Any, sample_id: str, pictures: Path) -> str:
    match value:
        case {"bytes": bytes(content), "path": _}:
            target = pictures / f"{sample_id.replace('/', '_').replace(':', '_')}.png"
            files.write_bytes(target, content)
            return f"written to {target}"
        case list() if len(value) > 8:
            return f"{len(value)} numbers, first {value[:4]}"
    return str(value)

"""What DVC remembers: objects of its cache, what run made which of them, and the adapters that learned from them."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.tables import KEY
from pipeline.takedown.searching import PARQUET, files, kind
from pipeline.takedown.traces import Traces

PICTURES = (".png", ".jpg", ".jpeg", ".svg", ".html")
DATA_SET, ADAPTER, REPORT = "data/resize/parts", "data/train/adapter", "data/report/"
DIRECTORY = ".dir"


@dataclass(frozen=True)
class Run:
    """One run of a stage, from dvc.lock or from DVC's run cache."""

    place: str
    """``dvc.lock`` or an earlier run's digest."""
    deps: Mapping[str, str]
    """Path to MD5."""
    outs: Mapping[str, str]
    """Path to MD5."""


def folder(root: Path) -> Path | None:
    """The cache of the DVC repository in this folder; None where there is no repository."""
    if not (root / ".dvc").is_dir():
        return None
    command = [sys.executable, "-P", "-m", "dvc", "cache", "dir"]  # -P: no module of the project is in the way
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return (root / told.stdout.strip()).resolve()


def running(root: Path) -> list[str]:
    """What DVC is busy with at the moment, by its lock on paths; what a killed process has left there is nothing."""
    try:
        locked = json.loads((root / ".dvc/tmp/rwlock").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    return sorted(str(each.get("cmd", "dvc")) for each in _holders(locked) if psutil.pid_exists(each.get("pid", 0)))


def _holders(locked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for side in locked.values():
        for held in side.values() if isinstance(side, dict) else ():
            yield from held if isinstance(held, list) else [held]


def objects(cache: Path) -> list[Path]:
    """All objects of a cache; the records of runs are none."""
    return [path for path in files(cache) if path.relative_to(cache).parts[0] != "runs"]


def md5_of(path: Path) -> str:
    """The name by which dvc.lock means an object."""
    return path.parent.name + path.name


def runs(root: Path, cache: Path) -> list[Run]:
    """Every run that dvc.lock and the run cache tell of."""
    locked = _read(root / "dvc.lock").get("stages", {})
    now = [_run("dvc.lock", entry) for entry in locked.values()]
    return now + [_run(path.name[:8], _read(path)) for path in files(cache / "runs")]


def _run(place: str, entry: Mapping[str, Any]) -> Run:
    deps, outs = (
        {item["path"]: item["md5"] for item in entry.get(side) or () if "md5" in item} for side in ("deps", "outs")
    )
    return Run(place, deps, outs)


def _read(path: Path) -> dict[str, Any]:
    try:
        value = YAML(typ="safe").load(path)
    except (FileNotFoundError, YAMLError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def listed(path: Path) -> set[str]:
    """MD5s of the files in a folder, from the object that lists them."""
    return {str(item["md5"]) for item in json.loads(path.read_text(encoding="utf-8"))}


def related(condemned: set[Path], known: list[Run], stored: list[Path]) -> set[Path]:
    """What else must go: lists of folders that lose a file, and sheets drawn by the same run, reports of them included.

    A contact sheet cannot be searched for a picture, so all pictures go that were made beside a table which goes.
    """
    by_md5 = {md5_of(path): path for path in stored}
    gone = {md5_of(path) for path in condemned}
    lists = {path for path in stored if path.name.endswith(DIRECTORY)}
    gone |= {md5_of(path) for path in lists if listed(path) & gone}
    for run in known:
        if gone & set(run.outs.values()):
            gone |= {md5 for path, md5 in run.outs.items() if path.endswith(PICTURES)}
    for run in known:
        if gone & set(run.deps.values()) and any(path.startswith(REPORT) for path in run.outs):
            gone |= set(run.outs.values())
    for path in lists:
        if md5_of(path) in gone and _is_all_pictures(path):
            gone |= listed(path)
    return {by_md5[md5] for md5 in gone if md5 in by_md5}


def _is_all_pictures(path: Path) -> bool:
    names = [str(item["relpath"]) for item in json.loads(path.read_text(encoding="utf-8"))]
    return all(name.endswith(PICTURES) for name in names)


def learned_from(tables: list[Path], known: list[Run], stored: list[Path], traces: Traces) -> set[str]:
    """Adapters that were trained with a sample, in words: a row of its data set's split ``train``."""
    shards = {md5_of(path) for path in tables if path in set(stored) and in_training(path, traces)}
    sets = {md5_of(path) for path in stored if path.name.endswith(DIRECTORY) and listed(path) & shards}
    trained = [run for run in known if ADAPTER in run.outs and run.deps.get(DATA_SET) in sets]
    places = {
        run.outs[ADAPTER]: {each.place for each in trained if each.outs[ADAPTER] == run.outs[ADAPTER]}
        for run in trained
    }
    return {
        f"{ADAPTER}, MD5 {md5.removesuffix(DIRECTORY)} ({', '.join(sorted(names))})" for md5, names in places.items()
    }


def in_training(path: Path, traces: Traces) -> bool:
    """Whether a shard of the data set has one of the samples in the split that is learned from."""
    if kind(path) != PARQUET or not {"crop_box", "split"} <= set(pq.read_schema(path).names):
        return False
    within = [(KEY, "in", sorted(traces.ids) or [""]), ("split", "==", "train")]
    return bool(pq.read_table(path, columns=[KEY], filters=within).num_rows)

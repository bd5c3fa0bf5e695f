"""What ``sur push-to-hub`` sends: an adapter folder or the data set, checked before anything is asked of anybody."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import tables, takedown_list
from pipeline.adapters import folder as adapters
from pipeline.errors import InputError, ModelError
from pipeline.files import file_digest
from pipeline.samples import SURD
from pipeline.tables import KEY
from pipeline.takedown_list import TAKEDOWNS

Kind = Literal["adapter", "dataset"]
ADAPTER, DATA_SET, RECORDS, LOCK = (
    Path("data/train/adapter"),
    Path("data/resize"),
    Path("data/scrape"),
    Path("dvc.lock"),
)
LICENCES, PARTS = "LICENSE.md", "parts"
RECORD = tables.schema(
    tables.column(KEY, pa.string(), "the sample"), tables.column("image_url", pa.string(), "its picture")
)
NAMED_AT_MOST = 3


@dataclass(frozen=True)
class Bundle:
    """What goes into a repository."""

    kind: Kind
    files: Mapping[str, Path]
    """Path in the repository to file here, sorted."""
    own: tuple[str, ...]
    """Patterns of files that belong to such a bundle: one that the repository has and the bundle lacks is deleted."""
    licences: Counter[str] = field(default_factory=Counter)
    """Samples by the licence that their source states; of a data set alone."""
    notes: tuple[str, ...] = ()
    """What could not be looked at."""

    @property
    def bytes(self) -> int:
        """All files together."""
        return sum(path.stat().st_size for path in self.files.values())


def adapter(folder: Path = ADAPTER) -> Bundle:
    """A trained adapter's folder.

    Raises:
        ModelError: it is no adapter folder, or a file of it is damaged.
        InputError: ``takedown.txt`` names a sample that it learned from, or dvc.lock tells of another adapter.
    """
    config = adapters.read_config(folder)
    found = dict(_expected(folder, config.model_dump()))
    if not (folder / adapters.CARD).is_file():
        raise ModelError(
            f"{folder / adapters.CARD} is missing: get the adapter folder again (dvc pull, or dvc repro train)"
        )
    notes = _examine_training(folder)
    names = sorted([adapters.CONFIG, adapters.CARD, *found])
    return Bundle(
        "adapter",
        {name: folder / name for name in names},
        (adapters.WEIGHTS, adapters.UNET, adapters.CONFIG),
        notes=notes,
    )


def _expected(folder: Path, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Files of weights and the digests that config.json gives them, each compared; none may be left over."""
    unet = config.get("unet") or {}
    wanted = {adapters.WEIGHTS: config["weights_sha256"]}
    if "weights_sha256" in unet:
        wanted[adapters.UNET] = unet["weights_sha256"]
    for name, digest in wanted.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{path} is missing: get the adapter folder again (dvc pull, or dvc repro train)")
        if file_digest(path) != digest:
            raise ModelError(f"{path} is damaged or from another adapter: its content is not what config.json says")
        yield name, digest
    if strangers := sorted(path.name for path in folder.glob("*.safetensors") if path.name not in wanted):
        raise ModelError(f"{folder / strangers[0]} is not told of in config.json: take it out of the folder")


def _examine_training(folder: Path) -> tuple[str, ...]:
    """Refuse an adapter of the workflow that learned from what was taken down; another's data are not known here."""
    if folder.resolve() != ADAPTER.resolve():
        return (f"takedown.txt was not compared: what {folder} was trained on is not known here",)
    trained = _stage("train")
    _compare(ADAPTER, trained["outs"], "train")
    parts = DATA_SET / PARTS
    if trained["deps"].get(parts.as_posix()) != folder_md5(parts):
        raise InputError(f"{folder} was trained on another state of {parts}: dvc repro train, then push")
    learned = _rows().filter(pc.field("split") == "train")
    _refuse_taken_down(learned, f"{folder} was trained with")
    return ()


def data_set(folder: Path = DATA_SET) -> Bundle:
    """The data set's shards, card and licences; contact sheet and report stay here.

    Raises:
        InputError: the folder is not what dvc.lock says, or holds a sample that ``takedown.txt`` names.
    """
    shards = tables.shards(folder / PARTS)
    stage = _stage("resize")
    for name in (PARTS, adapters.CARD, LICENCES):
        _compare(folder / name, stage["outs"], "resize")
    rows = _rows()
    _refuse_taken_down(rows, f"{folder} holds")
    found = {f"{PARTS}/{path.name}": path for path in shards}
    found |= {name: folder / name for name in (adapters.CARD, LICENCES)}
    own = (f"{PARTS}/*.parquet", LICENCES)
    licences = Counter(rows.column("licence").to_pylist())
    return Bundle("dataset", dict(sorted(found.items())), own, licences)


def _rows() -> pa.Table:
    """The data set's rows without pictures."""
    wanted = tables.select(SURD, (KEY, "licence", "page_url", "split", "image_sha256"))
    return pa.concat_tables(tables.read(path, wanted) for path in tables.shards(DATA_SET / PARTS))


def _refuse_taken_down(rows: pa.Table, what: str) -> None:
    """Refuse rows that the takedown list names by id, page, picture's address or picture's SHA-256.

    Raises:
        InputError: there is one; the first few are named.
    """
    names = takedown_list.read(TAKEDOWNS).names
    asked = pa.array(sorted(names), pa.string())
    by = (rows.filter(pc.is_in(rows.column(name), value_set=asked)) for name in (KEY, "page_url", "image_sha256"))
    found = {key for part in by for key in part.column(KEY).to_pylist()}
    found |= set(rows.column(KEY).to_pylist()) & _by_address(asked)
    if found:
        told = ", ".join(sorted(found)[:NAMED_AT_MOST]) + (", ..." if len(found) > NAMED_AT_MOST else "")
        raise InputError(
            f"{what} {len(found):,} samples that {TAKEDOWNS} names ({told}): sur takedown each, dvc repro, then push"
        )


def _by_address(asked: pa.Array) -> set[str]:
    """Samples whose picture's address is asked for; the data set has no addresses, the sources' records have."""
    found = set[str]()
    for path in sorted(RECORDS.glob("*/records.parquet")):
        records = tables.read(path, RECORD)
        found |= set(records.filter(pc.is_in(records.column("image_url"), value_set=asked)).column(KEY).to_pylist())
    return found


def _stage(name: str) -> dict[str, dict[str, str]]:
    """MD5s of what a stage read and wrote, by path, from dvc.lock.

    Raises:
        InputError: dvc.lock is missing or damaged, or does not know the stage.
    """
    try:
        stage = YAML(typ="safe").load(LOCK)["stages"][name]
        return {side: {each["path"]: each["md5"] for each in stage[side] if "md5" in each} for side in ("deps", "outs")}
    except (OSError, YAMLError, KeyError, TypeError) as error:
        raise InputError(f"{LOCK} does not tell of stage {name}: dvc repro {name}, then push") from error


def _compare(path: Path, known: Mapping[str, str], stage: str) -> None:
    """Refuse a file or folder whose content is not what the last run wrote.

    Raises:
        InputError: it is missing, damaged or edited.
    """
    if not path.exists():
        raise InputError(f"{path} is missing: dvc checkout {path}, or dvc repro {stage}")
    found = folder_md5(path) if path.is_dir() else file_md5(path)
    if found != known.get(path.as_posix()):
        raise InputError(f"{path} is damaged or edited: its content is not what {LOCK} says (dvc checkout {path})")


def file_md5(path: Path) -> str:
    """A file's name in DVC's cache."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def folder_md5(folder: Path) -> str:
    """A folder's name in DVC's cache: the MD5 of the list of its files, as DVC 3 writes it."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    listed = [{"md5": file_md5(path), "relpath": name} for name, path in sorted(paths.items())]
    text = json.dumps(listed, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"

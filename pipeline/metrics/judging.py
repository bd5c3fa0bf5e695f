"""Judges: whether an image shows what its prompt asks for. All judges, people too, write the same table.

A judge gives for every atom (one checkable statement of the prompt) a mapping of ``atom`` (its index), ``p``
(probability that it holds), ``verdict`` and ``reason``. An image is right if all its atoms hold (the paper's all or
nothing); what a judge cannot answer the next one may, and an image with an atom that none answered is not judged.

A judge may be a module with ``judge(image, atoms)``, which may also have ``quality(image)``, how good the picture is
whatever it shows: 0 to 1, higher is better. The others are built by :mod:`pipeline.metrics.judges`.
"""

import ast
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from pipeline import answers, params, tables
from pipeline.answers import SemanticVerdict
from pipeline.files import digest, file_digest
from pipeline.tables import KEY, column
from pipeline.work import ResultStore

WHOLE_IMAGE = -1
PERSON = "person: "

VERDICTS = tables.schema(
    column(KEY, pa.string(), "the generated image"),
    column("judge", pa.string(), "module of the judge, or 'person: ' and the reviewer's name"),
    column("judge_digest", pa.string(), "of the source of the judge's module and of what it imports; empty for people"),
    column("atom", pa.int32(), "index of the prompt's statement; -1 where the whole image was judged at once"),
    column("p", pa.float32(), "probability that the statement holds, 0 to 1; higher is better"),
    column("verdict", pa.bool_(), "the statement holds"),
    column("reason", pa.string(), "what the judge saw"),
)

ANSWERS = tables.schema(column("answers", pa.string(), "the judge's answers to a picture's atoms, as JSON"))
"""What is kept of a judge whose answers take a model."""

Ask = Callable[[Image.Image, Sequence[Mapping[str, Any]]], Iterable[Mapping[str, Any]]]
Rate = Callable[[Image.Image], float]


@dataclass(frozen=True)
class Judge:
    """An automatic judge.

    Args:
        name: as it stands in the table.
        digest: of its source, and of its weights and settings where it has some.
        ask: answers to an image's atoms.
        quality: its word on picture quality, if it has one.
        can: whether it can answer an atom; None answers all.
        load: has its weights ready; None where there are none.
        store: keeps its answers; None where asking again costs little.
        figures: beginning of the names of its soft score and its share of atoms; empty where it has none.
    """

    name: str
    digest: str
    ask: Ask
    quality: Rate | None = None
    can: Callable[[Mapping[str, Any]], bool] | None = None
    load: Callable[[], Any] | None = None
    store: ResultStore | None = None
    figures: str = ""

    @property
    def version(self) -> str:
        """Name and digest: what a figure of this judge depends on."""
        return f"{self.name} {self.digest}"

    def row(self, sample_id: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """One row of VERDICTS."""
        return {KEY: sample_id, "judge": self.name, "judge_digest": self.digest, **answer}

    def answers(self, atoms: Sequence[Mapping[str, Any]]) -> list[int]:
        """Indices of the atoms that it can answer."""
        return [index for index, atom in enumerate(atoms) if self.can is None or self.can(atom)]


def load(name: str) -> Judge:
    """The judge in a module.

    Raises:
        SettingError: there is no such module, it has no function ``judge``, or its ``quality`` is no function.
    """
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise params.wrong("evaluate.judges", f"must name a module, got {name!r}: {error}") from error
    ask = getattr(module, "judge", None)
    if ask is None or module.__file__ is None:
        raise params.wrong("evaluate.judges", f"must name a module with a function judge(image, atoms), got {name!r}")
    quality = getattr(module, "quality", None)
    if quality is not None and not callable(quality):
        raise params.wrong("evaluate.judges", f"must have a function quality(image) or nothing of that name: {name!r}")
    return Judge(name, digest(_sources(name)), ask, quality)


def _sources(name: str) -> dict[str, str]:
    """Module -> SHA-256 of its file, for a loaded module and all that it imports from its own package."""
    package, found, waiting = name.partition(".")[0], dict[str, str](), [name]
    while waiting:
        module = sys.modules.get(waiting.pop())
        if module and module.__file__ and module.__name__ not in found:
            path = Path(module.__file__)
            found[module.__name__] = file_digest(path)
            waiting += [other for other in _imported(path) if other.partition(".")[0] == package]
    return found


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (module, *(f"{module}.{name.name}" for name in names))


def judge_image(
    judge: Judge, sample_id: str, image: Image.Image, atoms: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One image's answers, one an atom that the judge can answer, in their order.

    Raises:
        ValueError: the judge did not answer for each such atom once, or gave a p outside 0 to 1.
    """
    found = sorted(judge.ask(image, atoms), key=lambda answer: int(answer["atom"]))
    expected = judge.answers(atoms)
    if [answer["atom"] for answer in found] != expected:
        raise ValueError(f"{judge.name} must answer each of the {len(expected)} atoms of {sample_id} once")
    if not all(0.0 <= answer["p"] <= 1.0 for answer in found):
        raise ValueError(f"{judge.name} gave a p outside 0 to 1 for {sample_id}")
    return [
        {
            "atom": int(answer["atom"]),
            "p": float(answer["p"]),
            "verdict": bool(answer["verdict"]),
            "reason": str(answer["reason"]),
        }
        for answer in found
    ]


def answer_key(sha256: str, atoms: Sequence[Mapping[str, Any]]) -> str:
    """What a judge's answers belong to: a picture's bytes and what is asked of it."""
    return f"{sha256} {digest([dict(atom) for atom in atoms])}"


def rate_image(judge: Judge, sample_id: str, image: Image.Image) -> float | None:
    """The judge's word on one image's quality, 0 to 1, higher is better; None where the judge has none.

    Raises:
        ValueError: the judge gave a number outside 0 to 1, or none at all (nan).
    """
    if judge.quality is None:
        return None
    value = float(judge.quality(image))
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{judge.name} gave a quality of {value} for {sample_id}, it must be 0 to 1")
    return value


def read_people(folder: Path, pictures: Mapping[str, str]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """People's rows of VERDICTS, and how many lines were passed over: ``stale`` and ``unsure``.

    Args:
        folder: ``reviews/semantic``; which of its lines hold is told at :func:`answers.standing`.
        pictures: sample_id -> SHA-256 of the images at hand. A verdict on other bytes is stale and does not count.

    Raises:
        InputError: a line is broken; names file and line.
    """
    lines = answers.read(folder, SemanticVerdict)
    fresh = [line for line in lines if pictures.get(line.sample_id) == line.sha256]
    ruled = {line.sample_id for line in fresh if line.adjudicated}
    counted = [line for line in fresh if line.adjudicated or line.sample_id not in ruled]
    rows = [_persons_row(line) for line in counted if line.whole != "unsure"]
    return rows, {"stale": len(lines) - len(fresh), "unsure": len(counted) - len(rows)}


def _persons_row(line: SemanticVerdict) -> dict[str, Any]:
    said = [f"{skill}: {word}" for skill, word in sorted(line.answers.items())]
    return {
        KEY: line.sample_id,
        "judge": PERSON + line.reviewer,
        "judge_digest": "",
        "atom": WHOLE_IMAGE,
        "p": float(line.whole == "yes"),
        "verdict": line.whole == "yes",
        "reason": "; ".join([*said, *([line.note] if line.note else [])]),
    }


def right_by_judge(rows: Iterable[Mapping[str, Any]], atoms: Mapping[str, int]) -> dict[str, bool]:
    """sample_id -> whether all its statements hold (the paper's all or nothing), from rows of one judge or of several.

    Images of prompts that are not answered in full are left out, whatever was said of the rest: they could only ever be
    found wrong.

    Args:
        rows: at most one of a statement of an image.
        atoms: sample_id -> number of its prompt's atoms.
    """
    said: dict[str, list[bool]] = {}
    for row in rows:
        said.setdefault(row[KEY], []).append(row["verdict"])
    return {name: all(verdicts) for name, verdicts in said.items() if len(verdicts) == atoms[name]}


def right_by_people(rows: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """sample_id -> what most reviewers said; images on which they are split evenly are left out."""
    balance: dict[str, int] = {}
    for row in rows:
        balance[row[KEY]] = balance.get(row[KEY], 0) + (1 if row["verdict"] else -1)
    return {sample_id: votes > 0 for sample_id, votes in balance.items() if votes}

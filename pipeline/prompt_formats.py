"""Public benchmarks' prompt files as entries of ours, by paths that a user gives: nothing of theirs is in the project.

Each reader gives mappings of ``id``, ``text``, ``type`` and ``atoms``; what a benchmark asks of a picture becomes atoms
that the judges of ``evaluate.judges`` can answer.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.errors import InputError
from pipeline.model_folders import file_revision, folder_digest
from pipeline.params import Section

Entry = dict[str, Any]
Format = Literal["geneval", "t2i_compbench", "dpg_bench", "parti_prompts"]
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
QUESTION = "question_natural_language"
WHOLE = 'Does this figure show "{}"? Please answer yes or no.'
"""VQAScore's question, for prompts that come without any of their own."""


class PublicPrompts(Section):
    """A benchmark's prompts in its own format."""

    format: Format
    """``geneval``: evaluation_metadata.jsonl. ``t2i_compbench``: a list such as color_val.txt. ``dpg_bench``: a folder
    with prompts/ and dpg_bench.csv. ``parti_prompts``: PartiPrompts.tsv."""
    path: str = Field(min_length=1)
    """Of the file, or of DPG-Bench's folder."""
    revision: str = Field(min_length=1)
    """Content digest, sixteen hex digits: the stages re-run when it changes, since DVC does not watch the path."""


def read(chosen: PublicPrompts) -> list[Entry]:
    """All prompts of a benchmark, in its order.

    Raises:
        InputError: the path is missing or of another content, or a line is not in the format; names the line.
    """
    path = Path(chosen.path).expanduser()
    if not path.exists():
        raise InputError(f"prompts {chosen.path} are missing: see sample.prompts")
    found = folder_digest(path) if path.is_dir() else file_revision(path)
    if found != chosen.revision:
        raise InputError(f"prompts {chosen.path} have revision {found}, not {chosen.revision}: see sample.prompts")
    try:
        entries = list(READERS[chosen.format](path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"prompts {chosen.path} cannot be read as {chosen.format}: {error}") from error
    return [{**entry, "source": chosen.format, "type": _type(chosen.format, entry["type"])} for entry in entries]


def _type(benchmark: Format, kind: str) -> str:
    """``geneval_counting``: a benchmark's tasks are no skills of ours, though some are called as they are."""
    return benchmark if kind == benchmark else f"{benchmark}_{kind}"


def geneval(path: Path) -> Iterator[Entry]:
    """GenEval: one JSON a line with ``tag``, ``include``, perhaps ``exclude``, and ``prompt``.

    ``include`` of a class asks for so many or more of it; with ``exclude`` of one more it is an exact count.
    """
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        with _telling(path, number + 1):
            asked = json.loads(line)
            classes = [clause["class"] for clause in asked["include"]]
            exact = {clause["class"]: clause["count"] - 1 for clause in asked.get("exclude", [])}
            atoms = [_clause(clause, classes, exact) for clause in asked["include"]]
            entry = {"id": f"geneval-{number:05d}", "text": asked["prompt"], "type": asked["tag"], "atoms": atoms}
        yield entry


def _clause(clause: Mapping[str, Any], classes: list[str], exact: Mapping[str, int]) -> Entry:
    """One thing that GenEval asks for."""
    name, count = clause["class"], clause["count"]
    known = {"class": name, "count": count}
    if "color" in clause:
        colour = clause["color"]
        return {**known, "skill": "colour", "colour": colour, "question": f"Is there a {colour} {name}?"}
    if "position" in clause:
        where, target = clause["position"][0], classes[clause["position"][1]]
        question = f"Is there a {name} {where} a {target}?"
        return {**known, "skill": "position", "position": where, "target": target, "question": question}
    if exact.get(name) == count:
        return {**known, "skill": "counting", "question": f"Are there exactly {NUMBERS[count]} {_plural(name)}?"}
    return {**known, "skill": "object", "question": f"Is there a {name}?"}


def _plural(name: str) -> str:
    """Of a class of COCO; ``skis`` and ``scissors`` are plurals already."""
    from textblob.en.inflect import pluralize  # reads its word lists

    plural: str = name if name.endswith(("skis", "scissors")) else pluralize(name)
    return plural


def t2i_compbench(path: Path) -> Iterator[Entry]:
    """T2I-CompBench: one prompt a line; its file's name says the type. It is judged by its noun chunks."""
    kind = re.sub(r"(_(train|val|seen|unseen))+$", "", path.stem)
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    for number, text in enumerate(filter(None, lines)):
        atoms = [{"skill": "noun_chunks", "question": text}]
        yield {"id": f"{_plain(path.stem)}-{number:05d}", "text": text, "type": kind, "atoms": atoms}


def dpg_bench(path: Path) -> Iterator[Entry]:
    """DPG-Bench: ``prompts/<item_id>.txt``, and a row a question in ``dpg_bench.csv``, whose parents are by number.

    The benchmark's own script leaves the first row of the table out; here it counts.
    """
    asked: dict[str, list[dict[str, str]]] = {}
    table = path / "dpg_bench.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), start=2):
            with _telling(table, number):
                asked.setdefault(row["item_id"], []).append(
                    {name: row[name] for name in ("proposition_id", "dependency", "category_broad", QUESTION)}
                )
    for item, rows in asked.items():
        with _telling(table):
            text = (path / "prompts" / f"{item}.txt").read_text(encoding="utf-8").strip()
            places = {int(row["proposition_id"]): place for place, row in enumerate(rows)}
            atoms = [_question(row, places) for row in rows]
        yield {"id": f"dpg-{_plain(item)}", "text": text, "type": "dpg_bench", "atoms": atoms}


def _question(row: Mapping[str, str], places: Mapping[int, int]) -> Entry:
    parents = [int(number) for number in row["dependency"].split(",")]
    depends_on = [places[number] for number in parents if number]  # 0 is none
    return {"skill": row["category_broad"], "question": row[QUESTION], "depends_on": depends_on}


def parti_prompts(path: Path) -> Iterator[Entry]:
    """PartiPrompts: a table with tabs, columns Prompt, Category, Challenge and Note; no questions of its own."""
    with path.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)):
            with _telling(path, number + 2):
                atoms = [{"skill": "whole", "question": WHOLE.format(row["Prompt"])}]
                kind = _plain(row["Category"].lower().replace(" ", "_"))
                entry = {"id": f"parti-{number:05d}", "text": row["Prompt"], "type": kind, "atoms": atoms}
            yield entry


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


@contextmanager
def _telling(path: Path, line: int = 0) -> Iterator[None]:
    """Whatever is wrong with the file within the block is told with its place."""
    try:
        yield
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}, line {line}: {what}" if line else f"{path}: {what}") from error


READERS: Mapping[Format, Callable[[Path], Iterator[Entry]]] = {
    "geneval": geneval,
    "t2i_compbench": t2i_compbench,
    "dpg_bench": dpg_bench,
    "parti_prompts": parti_prompts,
}

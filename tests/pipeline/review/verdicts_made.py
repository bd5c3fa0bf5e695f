"""A thousand tasks with what reviewers said of them, for round trips through Label Studio."""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import tables
from pipeline.answers import REASONS
from pipeline.generated import MANIFEST
from pipeline.prompts import Prompt
from pipeline.review import forms, studies, tasks
from pipeline.review.studies import Key, Scope
from tests.pipeline.review import label_studio as made
from tests.pipeline.review.rows import queued, scored

NOTES = ('two, "not" one', "first line\nsecond; line", '{"choices": odd}', "ünï → ع", "[x]")


def triplet_tasks(folder: Path, count: int) -> list[dict[str, Any]]:
    """Tasks of ``count`` pairs as stage review_export writes them."""
    queue = queued(scored(margins=[float(place) for place in range(count)]), folder / "queue.parquet")
    return [tasks.label_studio(row) for row in tasks.in_order(queue)]


def triplet_answers(count: int) -> Iterator[dict[str, Any]]:
    """What was said of each: verdict, reasons, note."""
    rng = random.Random(1)
    for _ in range(count):
        verdict = rng.choice(("keep", "reject", "unsure"))
        reasons = rng.sample(list(REASONS), rng.randint(0, 3)) if verdict == "reject" else []
        yield {"verdict": verdict, "reasons": reasons, "note": rng.choice((*NOTES, "", ""))}


def triplet_result(said: dict[str, Any]) -> list[dict[str, Any]]:
    """An answer as Label Studio's regions."""
    result = [made.choices("verdict", said["verdict"])]
    result += [made.choices("reasons", *said["reasons"])] if said["reasons"] else []
    return result + ([made.note(said["note"])] if said["note"] else [])


def prompt(name: str, *skills: str) -> Prompt:
    """An evaluation prompt that names these skills; the first is its type."""
    atoms = tuple({"skill": skill} for skill in skills)
    return Prompt(name, f'<b>{name}</b> & "more"', None, skills[0], atoms, "made", "seen")  # type: ignore[arg-type]


PROMPTS = [prompt("a", "counting"), prompt("b", "colour", "counting"), prompt("c", "action")]


def manifest(pictures: int, prompts: Sequence[Prompt] = PROMPTS) -> pa.Table:
    """Rows of generated.MANIFEST: base, adapted and complex pictures of each prompt."""
    rows = [
        {
            "sample_id": f"{one.id}/{index:02d}/{arm}",
            "arm": arm,
            "prompt_id": one.id,
            "index": index,
            "seed": index,
            "model": "tiny",
            "method": "none",
            "type": one.type,
            "text": f"the words of {arm}",
            "part": "part-00000.parquet",
            "sha256": hashlib.sha256(f"{one.id}/{index}/{arm}".encode()).hexdigest(),
        }
        for one in prompts
        for index in range(pictures)
        for arm in ("base", "adapted", "complex")
    ]
    known = [{name: row.get(name, "none") for name in MANIFEST.names} for row in rows]
    return tables.from_rows(sorted(known, key=lambda row: str(row["sample_id"])), MANIFEST)


def pair_study(pairs: int) -> Key:
    """A preference study of so many pairs."""
    one = [prompt("a", "counting")]
    return studies.preference(manifest(pairs, one).to_pylist(), one, Scope(), 0)


def pair_tasks(key: Key) -> list[dict[str, Any]]:
    """Its tasks for Label Studio."""
    shown = studies.shown(key, PROMPTS)
    return [forms.task(one, [f"{one.item}-left.png", f"{one.item}-right.png"], "pictures") for one in shown]


def pair_answers(count: int) -> Iterator[dict[str, str]]:
    """A side, or a tie, for each question."""
    rng = random.Random(2)
    for _ in range(count):
        yield {question: rng.choice(forms.SIDES) for question in ("overall", "text", "flaws")}


def pair_result(said: dict[str, str]) -> list[dict[str, Any]]:
    """An answer as Label Studio's regions: a tie leaves the Pairwise tag as it was drawn."""
    tie = said["overall"] == "tie"
    first = [made.pairwise("overall", "left" if tie else said["overall"])]
    first += [made.choices("overall" + forms.TIE, "tie", to="imgA")] if tie else []
    return [*first, *[made.choices(question, said[question], to="imgA") for question in ("text", "flaws")]]


def lines(folder: Path) -> list[dict[str, Any]]:
    """All lines of a folder of reviews."""
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]

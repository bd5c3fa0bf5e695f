"""What an evaluation is made from: pictures, their scores, and the verdicts of judges and of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.metrics import judging, preference
from pipeline.metrics.pictures import Picture, digests
from pipeline.metrics.preference import Choice
from pipeline.metrics.readers import Measured
from pipeline.prompts import Prompt
from pipeline.tables import KEY

PEOPLE = "people"
"""Who decides where no judge does, and the name of their comparison beside a judge's."""
THEN = ", then "
"""Between the names of judges that answer together."""


@dataclass(frozen=True)
class People:
    """What people said of the images at hand, and how many of their lines do not count."""

    rows: list[dict[str, Any]]
    choices: list[Choice]
    passed_over: dict[str, int]


@dataclass(frozen=True)
class Evidence:
    """All that the figures are made from.

    Args:
        pictures: every image.
        measured: scores and the judges' verdicts.
        people: their verdicts and choices.
        judges: names of the automatic judges, the one whose word comes first first.
        prompts: by id; those of images that a judge saw must be among them.
    """

    pictures: Sequence[Picture]
    measured: Measured
    people: People
    judges: Sequence[str] = ()
    prompts: Mapping[str, Prompt] = field(default_factory=dict)

    def voices(self) -> dict[str, dict[str, bool]]:
        """Name -> sample_id -> whether the image is right: who gives the accuracies, then every judge alone.

        The accuracies are the judges' together: each statement has the word of the first judge, in the order of the
        settings, that answered it. Where one judge answered all, these are its own. Empty where no image is decided.
        """
        rows = self._first_words()
        together = self._right(rows)
        spoke = {row["judge"] for row in rows if row[KEY] in together}
        name = THEN.join(judge for judge in self.judges if judge in spoke)
        alone = {judge: self._right(self._said_by(judge)) for judge in self.judges}
        others = {judge: right for judge, right in alone.items() if right and judge != name}
        return {name: together, **others} if together else {}

    def _first_words(self) -> list[dict[str, Any]]:
        """Of every image's statement the row of the first judge that answered it."""
        words: dict[tuple[str, int], dict[str, Any]] = {}
        for judge in self.judges:
            for row in self._said_by(judge):
                words.setdefault((row[KEY], row["atom"]), row)
        return list(words.values())

    def _said_by(self, judge: str) -> list[dict[str, Any]]:
        return [row for row in self.measured.verdicts if row["judge"] == judge]

    def _right(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
        asked = {each.sample_id: each.prompt_id for each in self.pictures} if rows else {}
        return judging.right_by_judge(rows, {name: len(self.prompts[asked[name]].atoms) for name in asked})

    def said(self) -> dict[str, bool]:
        """sample_id -> whether the image is right, by most people."""
        return judging.right_by_people(self.people.rows)

    def right(self) -> dict[str, float]:
        """sample_id -> 1 if the image is right, 0 if not: the judges' word, or people's where no judge decided any."""
        voices = self.voices()
        return shares(next(iter(voices.values())) if voices else self.said())

    @property
    def judge(self) -> str:
        """Whose the accuracies are: names of judges, or ``people``."""
        return next(iter(self.voices()), PEOPLE)

    def of(self, pictures: Sequence[Picture]) -> "Evidence":
        """The part about some images."""
        names = {picture.sample_id for picture in pictures}
        scores = {metric: _chosen(values, names) for metric, values in self.measured.scores.items()}
        verdicts, rows = (
            [row for row in rows if row[KEY] in names] for rows in (self.measured.verdicts, self.people.rows)
        )
        choices = [choice for choice in self.people.choices if choice.cell in {each.cell for each in pictures}]
        measured = replace(self.measured, scores=scores, verdicts=verdicts)
        people = replace(self.people, rows=rows, choices=choices)
        return replace(self, pictures=pictures, measured=measured, people=people)


def _chosen(values: Mapping[str, float], names: set[str]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name in names}


def shares(right: Mapping[str, bool]) -> dict[str, float]:
    """sample_id -> 1 if the image is right, 0 if not."""
    return {sample_id: float(held) for sample_id, held in right.items()}


def read_people(reviews: Path, pictures: Sequence[Picture]) -> People:
    """Verdicts and preferences that hold for these images, and the number of lines that do not count.

    Args:
        reviews: folder with ``semantic`` and ``preference``.
        pictures: the images at hand.

    Raises:
        InputError: a line is broken; names file and line.
    """
    rows, passed_over = judging.read_people(reviews / "semantic", digests(pictures))
    choices, stale = preference.read_choices(reviews / "preference", pictures)
    return People(rows, choices, {**passed_over, "stale_preferences": stale})

"""What the experiments of a study left: the evaluation's figures, each prompt's share, the validation losses."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InputError
from pipeline.studies.definitions import Row

STATISTICS = "data/evaluate/statistics.json"
PROMPTS = "data/evaluate/prompts.csv"
TRAINING = "data/train/report.json"
Read = Callable[[str], str]
"""Path -> the file's text, as an experiment left it."""
Open = Callable[[str], Read]
"""Experiment's name -> its files."""


@dataclass(frozen=True)
class Outcome:
    """A finished row."""

    row: Row
    experiment: str
    statistics: Mapping[str, Any]
    """The evaluation's figures, by metric and skill."""
    prompts: Sequence[Mapping[str, str]]
    """One line a prompt: share of right images in each arm."""
    validation: Mapping[str, float | None]
    """Denoising loss on the validation split: adapted, base, complex."""

    @property
    def accuracy(self) -> Mapping[str, Mapping[str, Any]]:
        """Skill, or ``all``, -> both arms, difference, interval, p; empty where nobody judged."""
        found: Mapping[str, Mapping[str, Any]] = self.statistics.get("accuracy", {})
        return found


def collect(row: Row, experiment: str, open_: Open, *, until: str | None = None) -> Outcome:
    """Read a finished experiment.

    Args:
        row: its row.
        experiment: its name.
        open_: gives its files.
        until: the last stage that it ran; None: all. Where that is the training, figures and prompts are empty.

    Raises:
        InputError: DVC no longer has its files.
    """
    read = open_(experiment)
    evaluated = until is None  # what else lies there is another run's
    return Outcome(
        row=row,
        experiment=experiment,
        statistics=json.loads(_text(read, STATISTICS, experiment)) if evaluated else {},
        prompts=list(csv.DictReader(_text(read, PROMPTS, experiment).splitlines())) if evaluated else [],
        validation=json.loads(_text(read, TRAINING, experiment)).get("validation", {}),
    )


def _text(read: Read, path: str, experiment: str) -> str:
    try:
        return read(path)
    except OSError as error:
        raise InputError(f"experiment {experiment} has no {path} any more: run the study with --again") from error


def open_experiment(name: str) -> Read:
    """The files of an experiment as git and DVC's cache hold them; the workspace is not touched."""
    from dvc.api import DVCFileSystem

    held: Read = DVCFileSystem(rev=name).read_text
    return held

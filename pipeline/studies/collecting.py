"""What the experiments of a study left: the evaluation's figures, each prompt's share, the validation losses."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline import metric_names
from pipeline.errors import InputError
from pipeline.methods.settings import PLAIN
from pipeline.report.collect import of_methods
from pipeline.report.paper import Run
from pipeline.studies.definitions import Row

STATISTICS = "data/evaluate/statistics.json"
PROMPTS = "data/evaluate/prompts.csv"
TRAINING = "data/train/report.json"
CURVE = "data/train/log/plots/metrics/val/denoising.tsv"
EQUIVALENCE = "_equivalence"
"""Ends the names of the evaluation's equivalence tests."""
Read = Callable[[str], str]
"""Path -> the file's text, as an experiment left it."""
Open = Callable[[str], Read]
"""Experiment's name -> its files."""


@dataclass(frozen=True)
class Outcome:
    """A finished row, or what it drew with one of several methods."""

    row: Row
    experiment: str
    statistics: Mapping[str, Any]
    """The evaluation's figures, by metric and skill."""
    prompts: Sequence[Mapping[str, str]]
    """One line a prompt: share of right images in each arm; of several methods the first has them."""
    validation: Mapping[str, float | None]
    """Denoising loss on the validation split: adapted, base, complex."""
    run: Run
    """Models and terms, which the paper's figures are found by."""
    method: str | None = None
    """None where the row drew without any controlled method alone."""
    curve: Sequence[tuple[int, float]] = ()
    """Step and denoising loss on the validation split while the row trained; of several methods the first has it."""

    @property
    def label(self) -> str:
        """What charts and sentences call it."""
        return self.row.label if self.method is None else f"{self.row.label}, {self.method}"

    @property
    def accuracy(self) -> Mapping[str, Mapping[str, Any]]:
        """Skill, or ``all``, -> both arms, difference, interval, p; empty where nobody judged."""
        found: Mapping[str, Mapping[str, Any]] = self.statistics.get("accuracy", {})
        return found

    @property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        """Metric of the picture alone -> both arms, difference, interval, p, over all prompts."""
        return {name: self.statistics[name]["all"] for name in metric_names.QUALITY if self.statistics.get(name)}

    @property
    def equivalence(self) -> Mapping[str, Mapping[str, float]]:
        """Metric -> its test of equality with the base model."""
        tests = {name: line for name, line in self.statistics.items() if name.endswith(EQUIVALENCE) and line}
        return {name.removesuffix(EQUIVALENCE): line for name, line in sorted(tests.items())}


def collect(
    row: Row, experiment: str, open_: Open, run: Run, *, methods: Sequence[str] = (PLAIN,), until: str | None = None
) -> list[Outcome]:
    """Read a finished experiment: one outcome, or one for each of several methods, plain sampling first.

    Args:
        row: its row.
        experiment: its name.
        open_: gives its files.
        run: its models and terms.
        methods: that it drew with.
        until: the last stage that it ran; None: all. Where that is the training, figures and prompts are empty.

    Raises:
        InputError: DVC no longer has its files.
    """
    read = open_(experiment)
    evaluated = until is None  # what else lies there is another run's
    statistics = json.loads(_text(read, STATISTICS, experiment)) if evaluated else {}
    validation = json.loads(_text(read, TRAINING, experiment)).get("validation", {})
    first = Outcome(
        row=row,
        experiment=experiment,
        statistics=statistics,
        prompts=list(csv.DictReader(_text(read, PROMPTS, experiment).splitlines())) if evaluated else [],
        validation=validation,
        run=run,
        method=None if tuple(methods) == (PLAIN,) else methods[0],
        curve=[] if validation.get("adapted") is None else _curve(_text(read, CURVE, experiment)),
    )
    each = [replace(first, statistics=figures, method=method) for method, figures in of_methods(statistics).items()]
    return [each[0], *(replace(other, prompts=[], curve=()) for other in each[1:])] if each else [first]


def _curve(text: str) -> list[tuple[int, float]]:
    """Steps and losses of DVCLive's table, whose first line has names."""
    lines = [line.split("\t") for line in text.splitlines()[1:]]
    return [(int(step), float(loss)) for step, loss in lines]


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

"""Who looks at pictures in the one pass over them: each says which it lacks, reads them, and gives what it found."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline.arms import ADAPTED, BASE
from pipeline.metric_names import ATOMS, JUDGED, SOFT
from pipeline.metrics.clip_based import paired_clip_score
from pipeline.metrics.gauges import Gauge
from pipeline.metrics.grading import atom_share, soft_score, with_parents
from pipeline.metrics.judging import Judge, answer_key, judge_image, rate_image
from pipeline.metrics.pictures import Picture, by_place
from pipeline.prompts import Prompt
from pipeline.work import ROW_KEY, ResultStore


@dataclass
class Measured:
    """What one pass found.

    Args:
        scores: figure -> sample_id -> value; a judge's word on quality is among them.
        versions: figure -> what it depends on.
        verdicts: the judges' rows of judging.VERDICTS.
        missing: figure, or ``verdicts of <judge>``, -> why it was not computed.
        rater: the judge whose word on quality it is, the first that rates; empty where none does.
    """

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    rater: str = ""


class Reader(Protocol):
    """A gauge or a judge, with the pictures that it is asked about."""

    @property
    def names(self) -> Sequence[str]:
        """What is missing where it cannot do its work."""

    @property
    def store(self) -> ResultStore | None:
        """Where it keeps what it read."""

    def begin(self) -> set[str]:
        """Ids of the pictures that it must see, its model ready if there are any.

        Raises:
            ModelError: the model cannot be had.
        """

    def read(self, rows: Mapping[str, Image.Image], /) -> None:
        """Look at pictures by id, at most as many as are decoded at once.

        Raises:
            InputError: it is not defined for one of them.
        """

    def finish(self, found: Measured, /) -> None:
        """Add what it found, of all pictures.

        Raises:
            ModelError: the model cannot be had.
        """


class GaugeReader:
    """A metric that reads pictures."""

    def __init__(self, gauge: Gauge, pictures: Sequence[Picture], prompts: Mapping[str, Prompt]) -> None:
        self._gauge, self._pictures, self._prompts = gauge, pictures, prompts
        self._shas = {picture.sample_id: picture.sha256 for picture in pictures}

    @property
    def names(self) -> Sequence[str]:
        """Its figures."""
        return self._gauge.metric.figures

    @property
    def store(self) -> ResultStore:
        """Of its readings."""
        return self._gauge.store

    def begin(self) -> set[str]:
        """One picture of each content that was not read before."""
        missing = set(self.store.missing(list(self._shas.values())))
        if missing:
            self._gauge.load()
        return {name for sha, name in {sha: name for name, sha in self._shas.items()}.items() if sha in missing}

    def read(self, rows: Mapping[str, Image.Image]) -> None:
        """Read and keep."""
        self._gauge.read({self._shas[name]: picture for name, picture in rows.items()})

    def finish(self, found: Measured) -> None:
        """Figures from readings, the pairwise one among them; texts are the prompts' simple ones, whatever the arm."""
        texts = [self._prompts[picture.prompt_id].text for picture in self._pictures]
        figures = self._gauge.figures(list(self._shas.values()), texts)
        named = {name: dict(zip(self._shas, values.tolist(), strict=True)) for name, values in figures.items()}
        if pairing := self._gauge.pairing():
            paired, cosine, scale = pairing
            named[paired] = paired_scores(named[cosine], self._pictures, scale)
        found.scores |= named
        found.versions |= dict.fromkeys(named, self._gauge.version)


class JudgeReader:
    """A judge."""

    def __init__(self, judge: Judge, pictures: Sequence[Picture], prompts: Mapping[str, Prompt]) -> None:
        self._judge = judge
        self._atoms = {picture.sample_id: prompts[picture.prompt_id].atoms for picture in pictures}
        self._keys = {each.sample_id: answer_key(each.sha256, self._atoms[each.sample_id]) for each in pictures}
        self._answers: dict[str, list[dict[str, Any]]] = {}
        self._quality: dict[str, float] = {}

    @property
    def names(self) -> Sequence[str]:
        """What is told where it is absent."""
        return (f"verdicts of {self._judge.name}",)

    @property
    def store(self) -> ResultStore | None:
        """Of its answers; None where it is asked anew each time."""
        return self._judge.store

    def begin(self) -> set[str]:
        """Pictures that it was not asked about before, of prompts that have an atom for it."""
        lacking = {name for name, atoms in self._atoms.items() if self._judge.answers(atoms)}
        if self.store is not None:
            unknown = set(self.store.missing(list(self._keys.values())))
            lacking = {name for name in lacking if self._keys[name] in unknown}
        if lacking and self._judge.load is not None:
            self._judge.load()
        return lacking

    def read(self, rows: Mapping[str, Image.Image]) -> None:
        """Ask, and keep the answers where asking takes a model."""
        for name, picture in rows.items():
            self._answers[name] = judge_image(self._judge, name, picture, self._atoms[name])
            quality = rate_image(self._judge, name, picture)
            if quality is not None:
                self._quality[name] = quality
        if self.store is not None:
            kept = [json.dumps(self._answers[name]) for name in rows]
            self.store.add(pa.table({ROW_KEY: [self._keys[name] for name in rows], "answers": kept}))

    def finish(self, found: Measured) -> None:
        """All rows, those known before among them."""
        if self.store is not None:
            asked = [name for name, atoms in self._atoms.items() if self._judge.answers(atoms)]
            known = self.store.take([self._keys[name] for name in asked]).column("answers").to_pylist()
            self._answers = {name: json.loads(answers) for name, answers in zip(asked, known, strict=True)}
        for name, answers in self._answers.items():
            found.verdicts += [self._judge.row(name, answer) for answer in answers]
        if self._judge.figures:
            self._grade(found)
        if self._quality and JUDGED not in found.scores:
            found.scores[JUDGED] = self._quality
            found.versions[JUDGED] = self._judge.version
            found.rater = self._judge.name

    def _grade(self, found: Measured) -> None:
        """Soft score and share of atoms of the images whose atoms it all answered."""
        whole = {
            name: with_parents(each, self._atoms[name])
            for name, each in self._answers.items()
            if len(each) == len(self._atoms[name])
        }
        soft = {name: soft_score([answer["p"] for answer in each]) for name, each in whole.items()}
        atoms = {name: atom_share([answer["verdict"] for answer in each]) for name, each in whole.items()}
        for end, values in ((SOFT, soft), (ATOMS, atoms)):
            found.scores[self._judge.figures + end] = values
            found.versions[self._judge.figures + end] = self._judge.version


def paired_scores(values: Mapping[str, float], pictures: Sequence[Picture], scale: float) -> dict[str, float]:
    """The paper's CLIP Score of every image that has its partner: sample_id -> 0 to 1, a pair sums to 1.

    Args:
        values: cosines by sample_id.
        pictures: where each belongs.
        scale: logit scale.
    """
    known = by_place(picture for picture in pictures if picture.sample_id in values)
    pairs = [arms for arms in known.values() if {BASE, ADAPTED} <= arms.keys()]
    base, ours = (np.array([values[arms[arm].sample_id] for arms in pairs]) for arm in (BASE, ADAPTED))
    shares = paired_clip_score(base, ours, scale).tolist()
    both = list(zip(pairs, shares, strict=True))
    scores = {arms[ADAPTED].sample_id: share for arms, share in both}
    return scores | {arms[BASE].sample_id: 1.0 - share for arms, share in both}

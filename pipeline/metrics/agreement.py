"""How far an automatic judge can be trusted: its verdicts beside people's on the same images.

Agreement alone misleads where nearly all images are right or wrong; kappa and AC1 take chance out, and figures by arm
show a judge that favours one arm, which would fake an effect.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.metrics.pictures import Picture

Right = Mapping[str, bool]
"""sample_id -> whether the image is right."""


@dataclass(frozen=True)
class Confusion:
    """Images by what judge and people said: ``true_yes`` both said right, ``false_yes`` the judge alone."""

    true_yes: int
    false_yes: int
    false_no: int
    true_no: int

    @property
    def images(self) -> int:
        """How many both judged."""
        return self.true_yes + self.false_yes + self.false_no + self.true_no

    @property
    def accuracy(self) -> float:
        """Share of images on which both agree: 0 to 1, higher is better."""
        return (self.true_yes + self.true_no) / self.images

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of the shares found among people's right and wrong images; 0.5 is a judge that always says the same.

        None where people found all images right, or all wrong.
        """
        yes, no = self.true_yes + self.false_no, self.false_yes + self.true_no
        return (self.true_yes / yes + self.true_no / no) / 2 if yes and no else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa, (p_o - p_e) / (1 - p_e): -1 to 1, 0 is chance. A judge that always says yes has 0.

        None where both said one and the same throughout. Source: J. Cohen, 1960.
        """
        judged, said = self.true_yes + self.false_yes, self.true_yes + self.false_no
        chance = (judged * said + (self.images - judged) * (self.images - said)) / self.images**2
        return (self.accuracy - chance) / (1 - chance) if chance < 1 else None

    @property
    def ac1(self) -> float:
        """Gwet's AC1: as kappa with the chance 2 q (1 - q), q the mean share of yes; -1 to 1.

        It stays high where kappa falls only because nearly all images are right or wrong. The chance is at most 0.5:
        it is always defined. Source: K. L. Gwet, Computing inter-rater reliability and its variance in the presence of
        high agreement, 2008, Eq. 8.
        """
        share = (2 * self.true_yes + self.false_yes + self.false_no) / (2 * self.images)
        chance = 2 * share * (1 - share)
        return (self.accuracy - chance) / (1 - chance)


def confusion(judged: Right, said: Right) -> Confusion | None:
    """The images that both decided; None where there is none."""
    both = [(judged[name], said[name]) for name in judged.keys() & said.keys()]
    counts = (both.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False)))
    return Confusion(*counts) if both else None


def agreement(judged: Right, said: Right, pictures: Iterable[Picture]) -> dict[str, Any]:
    """Figures over all images, by prompt type and by arm; empty where no image has both verdicts.

    Args:
        judged: the judge's verdicts.
        said: people's.
        pictures: which type and arm an image is of.
    """
    shown = list(pictures)
    whole = _figures(judged, said)
    if not whole:
        return {}
    groups: dict[str, Callable[[Picture], str]] = {"by_type": lambda each: each.type, "by_arm": lambda each: each.arm}
    return {**whole, **{name: _by(judged, said, shown, key) for name, key in groups.items()}}


def _by(judged: Right, said: Right, pictures: list[Picture], key: Callable[[Picture], str]) -> dict[str, Any]:
    found = {}
    for value in sorted({key(picture) for picture in pictures}):
        names = {picture.sample_id for picture in pictures if key(picture) == value}
        found[value] = _figures({name: right for name, right in judged.items() if name in names}, said)
    return {value: figures for value, figures in found.items() if figures}


def _figures(judged: Right, said: Right) -> dict[str, Any]:
    """Absent are figures that are not defined."""
    counts = confusion(judged, said)
    if counts is None:
        return {}
    shares = {name: getattr(counts, name) for name in ("accuracy", "balanced_accuracy", "kappa", "ac1")}
    defined = {name: value for name, value in shares.items() if value is not None}
    return {"images": counts.images, **defined, **asdict(counts)}

"""How far automatic judges hold against people: agreement, and shares of right images moved by people's verdicts."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from pipeline.metrics.agreement import agreement
from pipeline.metrics.pictures import Picture
from pipeline.metrics.prediction_powered import of_images


class Verdicts(Protocol):
    """What is asked of :class:`pipeline.metrics.evidence.Evidence`."""

    @property
    def pictures(self) -> Any:
        """All images."""

    def voices(self) -> Mapping[str, Mapping[str, bool]]:
        """Name -> verdicts: of the judges together, and of each alone."""

    def said(self) -> Mapping[str, bool]:
        """Verdicts of people."""


def agreements(evidence: Verdicts) -> dict[str, Any]:
    """Judge -> its agreement with people over all images, by type and by arm; absent where no image has both."""
    said = evidence.said()
    found = {judge: agreement(judged, said, evidence.pictures) for judge, judged in evidence.voices().items()}
    return {judge: figures for judge, figures in found.items() if figures}


def prediction_powered(evidence: Verdicts, confidence: float) -> dict[str, Any]:
    """Judge -> arm -> the share of right images that people would find, with its interval; absent where undefined."""
    found = {judge: _by_arm(evidence, judged, confidence) for judge, judged in evidence.voices().items()}
    return {judge: arms for judge, arms in found.items() if arms}


def _by_arm(evidence: Verdicts, judged: Mapping[str, bool], confidence: float) -> dict[str, Any]:
    said = evidence.said()
    arms: dict[str, list[Picture]] = {}
    for picture in evidence.pictures:
        arms.setdefault(picture.arm, []).append(picture)
    found = {}
    for arm, pictures in sorted(arms.items()):
        prompts = {picture.sample_id: picture.prompt_id for picture in pictures}
        here = {name: right for name, right in judged.items() if name in prompts}
        found[arm] = of_images(here, said, prompts, confidence=confidence)
    return {arm: asdict(mean) for arm, mean in found.items() if mean}

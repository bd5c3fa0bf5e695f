"""A detector as a judge: what it finds in a picture is held against GenEval's rules."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from pipeline.metrics import clip_models, geneval_rules, whole_models
from pipeline.metrics.clip_models import Scorer
from pipeline.metrics.geneval_rules import SKILLS, Found
from pipeline.metrics.settings import DetectorJudge

TEMPLATES = ("a photo of a {colour} {name}", "a photo of a {colour}-colored {name}", "a photo of a {colour} object")
"""GenEval's three sentences, of whose vectors the mean is taken."""


class Finder(Protocol):
    """What looks for things."""

    def find(self, picture: Image.Image, name: str, /) -> list[Found]:
        """All things of a class, however unsure."""


class ZeroShotDetector:
    """OWLv2, Grounding DINO or another model of transformers that looks for what it is told.

    GenEval's own detector knows the 80 classes of COCO and gives masks; these know any class and give boxes.

    Raises:
        ModelError: the model cannot be loaded.
    """

    def __init__(self, config: DetectorJudge, device: str) -> None:
        kinds = ("AutoModelForZeroShotObjectDetection", "AutoProcessor")
        self._model, self._processor = whole_models.load(kinds, config, device)
        self._device, self._dtype, self._query = device, getattr(torch, config.dtype), config.query

    @torch.no_grad()
    def find(self, picture: Image.Image, name: str) -> list[Found]:
        """All things of one class; asked for alone, so that every box is of this class."""
        asked = [[self._query.replace("{}", name)]]
        given = self._processor(images=picture, text=asked, return_tensors="pt").to(self._device)
        given["pixel_values"] = given["pixel_values"].to(self._dtype)
        sizes = [(picture.height, picture.width)]
        made = self._model(**given)
        boxes = self._processor.post_process_grounded_object_detection(made, threshold=0.0, target_sizes=sizes)[0]
        pairs = zip(boxes["boxes"].tolist(), boxes["scores"].tolist(), strict=True)
        return [Found((box[0], box[1], box[2], box[3]), score) for box, score in pairs]


class Detector:
    """Answers atoms of counting, presence, colour and position.

    Args:
        config: thresholds.
        finder: looks for things.
        scorer: a CLIP-like model that tells colours; None where the setting names none.
    """

    def __init__(self, config: DetectorJudge, finder: Finder, scorer: Scorer | None) -> None:
        self._config, self._finder, self._scorer = config, finder, scorer

    def ask(self, picture: Image.Image, atoms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answers to the atoms that it can answer; p is 1 or 0, since the rules know nothing between."""
        answered = functools.partial(can, with_colours=self._scorer is not None)
        wanted = [(index, atom) for index, atom in enumerate(atoms) if answered(atom)]
        things = {
            name: self._finder.find(picture, name) for name in geneval_rules.classes([atom for _, atom in wanted])
        }
        colours = functools.partial(self._colours, picture)
        answers = []
        for index, atom in wanted:
            holds, reason = geneval_rules.answer(atom, things, self._config, colours)
            answers.append({"atom": index, "p": float(holds), "verdict": holds, "reason": reason})
        return answers

    def _colours(self, picture: Image.Image, name: str, found: Sequence[Found], colours: Sequence[str]) -> list[str]:
        """Each thing's colour: the sentence whose vector is nearest to that of its box."""
        assert self._scorer is not None
        crops = self._scorer.images([picture.crop(_whole(thing, picture)) for thing in found])
        best = (np.asarray(crops) @ _sentences(self._scorer, name, tuple(colours)).T).argmax(axis=1)
        return [colours[at] for at in best]


def _whole(thing: Found, picture: Image.Image) -> tuple[int, int, int, int]:
    """A box in whole pixels within the picture, at least one wide and high."""
    left, top = (int(max(0, min(value, most - 1))) for value, most in zip(thing.box[:2], picture.size, strict=True))
    right, bottom = (int(min(value, most)) for value, most in zip(thing.box[2:], picture.size, strict=True))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _sentences(scorer: Scorer, name: str, colours: Sequence[str]) -> Any:
    """(colours, d): of each colour the mean of three sentences' vectors, brought to length 1."""
    texts = [template.format(colour=colour, name=name) for colour in colours for template in TEMPLATES]
    means = np.asarray(scorer.texts(texts)).reshape(len(colours), len(TEMPLATES), -1).mean(axis=1)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def can(atom: Mapping[str, Any], *, with_colours: bool) -> bool:
    """Whether a detector can answer an atom: actions it cannot, colours only with a model that tells them."""
    if atom["skill"] == geneval_rules.COLOUR and not with_colours:
        return False
    needed = {"counting": "count", "colour": "colour", "position": "position"}.get(atom["skill"], "class")
    return atom["skill"] in SKILLS and bool(atom.get("class")) and atom.get(needed) is not None


def load(config: DetectorJudge, device: str) -> Detector:
    """The judge that a setting names.

    Raises:
        ModelError: a model cannot be loaded.
    """
    scorer = clip_models.load(config.colours, device) if config.colours else None
    return Detector(config, ZeroShotDetector(config, device), scorer)

import numpy as np
import pytest
from PIL import Image

from pipeline.metrics import detector
from pipeline.metrics.detector import Detector, ZeroShotDetector
from pipeline.metrics.geneval_rules import Found
from pipeline.metrics.settings import ClipModel, DetectorJudge
from tests.pipeline.frozen_models import noise, picture
from tests.pipeline.metrics import tiny_scorers


def _setting(named=("m", "r"), colours=None):
    rules = {"threshold": 0.3, "counting_threshold": 0.9, "position_threshold": 0.1, "max_objects": 16}
    return DetectorJudge(
        kind="detector",
        model=named[0],
        revision=named[1],
        dtype="float32",
        query="a photo of a {}",
        colours=colours,
        **rules,
    )


class Boxes:
    """Finds what it is told to find."""

    def __init__(self, **found):
        self.found, self.asked = found, []

    def find(self, image, name):
        self.asked.append(name)
        return self.found.get(name, [])


class Reds:
    """A picture's vector is its mean colour, a text's is the colour that it names."""

    def images(self, pictures):
        means = np.array([np.asarray(each, np.float64).mean(axis=(0, 1)) for each in pictures])
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def texts(self, texts):
        named = {"red": 0, "green": 1, "blue": 2}
        found = [np.eye(3)[place] for text in texts for name, place in named.items() if f" {name}" in text]
        return np.array(found) if len(found) == len(texts) else np.array([self._of(text, named) for text in texts])

    def _of(self, text, named):
        return next((np.eye(3)[place] for name, place in named.items() if f" {name}" in text), np.full(3, 0.1))


ATOMS = [
    {"skill": "counting", "class": "ball", "count": 1},
    {"skill": "colour", "class": "ball", "colour": "red", "count": None},
    {"skill": "action", "class": "ball", "action": "rolling"},
    {"skill": "position", "class": "ball", "target": "box", "position": "left of"},
]


def _scene():
    drawn = Image.new("RGB", (100, 60), "blue")
    drawn.paste("red", (0, 20, 20, 40))
    return drawn


def test_what_is_found_is_held_against_the_rules():
    boxes = Boxes(ball=[Found((0, 20, 20, 40), 0.95)], box=[Found((70, 20, 90, 40), 0.6)])
    found = Detector(_setting(), boxes, Reds()).ask(_scene(), ATOMS)
    assert [(answer["atom"], answer["p"], answer["verdict"]) for answer in found] == [
        (0, 1.0, True),
        (1, 1.0, True),
        (3, 1.0, True),
    ]
    assert boxes.asked == ["ball", "box"]


def test_a_thing_of_another_colour_is_told():
    boxes = Boxes(ball=[Found((40, 20, 60, 40), 0.95)])
    found = Detector(_setting(), boxes, Reds()).ask(_scene(), ATOMS[1:2])
    assert (found[0]["verdict"], found[0]["reason"]) == (False, "ball: blue")


def test_without_a_model_for_colours_no_colour_is_judged():
    boxes = Boxes(ball=[Found((0, 20, 20, 40), 0.95)])
    assert [answer["atom"] for answer in Detector(_setting(), boxes, None).ask(_scene(), ATOMS)] == [0, 3]
    assert not detector.can(ATOMS[1], with_colours=False)
    assert not detector.can({"skill": "counting", "class": "ball", "count": None}, with_colours=True)


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        ((-3.2, 5.9, 20.4, 70.0), (0, 5, 20, 60)),
        ((98.7, 59.2, 99.1, 59.4), (98, 59, 99, 60)),
        ((120.0, 70.0, 130.0, 80.0), (99, 59, 100, 60)),
    ],
)
def test_a_box_is_cut_to_the_picture(box, whole):
    assert detector._whole(Found(box, 0.5), Image.new("RGB", (100, 60))) == whole


@pytest.mark.parametrize("name", ["owlv2", "grounding_dino"])
def test_the_real_architectures_give_boxes_with_scores(tmp_path, name):
    finder = ZeroShotDetector(_setting(getattr(tiny_scorers, name)(tmp_path / name)), "cpu")
    found = finder.find(noise(1, 32), "red circle")
    assert found
    assert all(0 <= thing.score <= 1 and len(thing.box) == 4 for thing in found)
    assert found == finder.find(noise(1, 32), "red circle")
    assert found != finder.find(picture(), "red circle")


def test_a_judge_is_loaded_with_its_model_for_colours(tmp_path):
    named = tiny_scorers.owlv2(tmp_path / "owl")
    model, revision = tiny_scorers.clip(tmp_path / "clip")
    colours = ClipModel(library="transformers", model=model, revision=revision, weights=None, dtype="float32")
    judge = detector.load(_setting(named, colours), "cpu")
    assert [answer["atom"] for answer in judge.ask(noise(1, 32), ATOMS)] == [0, 1, 3]

from pathlib import Path

import pytest
from PIL import Image

from pipeline.metrics.judging import Judge
from pipeline.metrics.measuring import measure
from tests.stages.generated_images import PROMPTS, write_sample

KNOWN = {prompt.id: prompt for prompt in PROMPTS}


def _redness(image: Image.Image) -> float:
    return image.getpixel((0, 0))[0] / 255


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    write_sample(tmp_path, lambda arm, index: "black" if arm == "base" and index else "red")
    return tmp_path / "parts"


def _judge(quality: object) -> Judge:
    return Judge("fake", "0" * 16, lambda image, atoms: [_answer(index) for index in range(len(atoms))], quality)


def _answer(index: int) -> dict[str, object]:
    return {"atom": index, "p": 1.0, "verdict": True, "reason": ""}


def test_every_picture_is_rated_once_whatever_its_prompt(parts: Path) -> None:
    found = measure(parts, KNOWN, None, _judge(_redness))
    assert len(found.qualities) == 10
    assert {name for name, value in found.qualities.items() if value == 0} == {"disc/01/base", "pair/01/base"}
    assert found.judge == "fake " + "0" * 16


def test_a_judge_that_does_not_rate_leaves_no_quality(parts: Path) -> None:
    found = measure(parts, KNOWN, None, _judge(None))
    assert found.qualities == {}
    assert len(found.verdicts) == 14


def test_without_a_judge_nothing_is_judged(parts: Path) -> None:
    found = measure(parts, KNOWN, None, None)
    assert (found.qualities, found.verdicts, found.judge) == ({}, [], "")


def test_a_quality_out_of_range_names_judge_and_image(parts: Path) -> None:
    with pytest.raises(ValueError, match=r"fake gave a quality of 2\.0 for disc/00/adapted"):
        measure(parts, KNOWN, None, _judge(lambda image: 2 * _redness(image)))

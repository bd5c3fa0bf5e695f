"""The true LAVIS on the miniature's BLIP, where ``make lavis`` was run."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from miniature.world import draw, sample_scene
from pipeline.captioning import BlipParams, Captioner
from pipeline.images import ImageParams, encode
from pipeline.lavis import installation
from pipeline.lavis.captioner import LavisCaptioner
from pipeline.params import load

PNG = ImageParams(side_px=64, resize="squash", format="png", quality=95)
FOLDER = installation.folder()
COUNT = 48

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (FOLDER / "lavis").is_dir(), reason="LAVIS is not installed: make lavis"),
]


@pytest.fixture(scope="module")
def rows():
    rng = random.Random(5)
    pictures = [encode(draw(sample_scene(rng), number), PNG) for number in range(COUNT)]
    return pa.table({"key": [str(number) for number in range(COUNT)], "image": pictures})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"prompt": "there are "},
        {"decoding": "nucleus", "beams": None, "top_p": 0.9, "seed": 0, "repetition_penalty": 1.1},
        {"dtype": "bfloat16"},
        {"max_length": 8},
    ],
    ids=str,
)
def test_both_backends_say_the_same(rows, monkeypatch, changes):
    monkeypatch.setenv("SUR_LAVIS", str(FOLDER))
    config = BlipParams.model_validate(load(BlipParams, "blip", Path("profiles/miniature.yaml")).model_dump() | changes)
    ours, theirs = Captioner(config, "cpu"), LavisCaptioner(config, "cpu")
    prepared = ours.prepare(rows)
    assert theirs.prepare(rows).equals(prepared)
    pairs = list(zip(ours(prepared).to_pylist(), theirs(prepared).to_pylist(), strict=True))
    assert sum(one == other for one, other in pairs) >= 0.95 * COUNT
    assert len({one["simple_prompt"] for one, _ in pairs}) > COUNT / 4

import io

from PIL import Image

from pipeline import shots
from pipeline.prompts import Prompt
from pipeline.sample_settings import SampleParams
from pipeline.shots import Painter

SAMPLE = {
    "prompts": ["prompts/miniature.json"],
    "limit_per_type": 2,
    "images_per_prompt": 2,
    "steps": 2,
    "guidance_scale": 4.0,
    "scheduler": "ddim",
    "negative_prompt": "",
    "adapt_negative": False,
    "reference_arms": ["complex"],
    "seed": 0,
}


def config(**changes):
    return SampleParams(**{**SAMPLE, **changes})


def prompt(name="p1", text="two red squares", complex_="red square, 2"):
    return Prompt(name, text, complex_, "counting", ({"skill": "counting"},), "test", "seen")


class Coloured:
    """A sampler whose pictures say their seed."""

    def __init__(self):
        self.calls = []

    def pictures(self, texts, seeds, adapted):
        self.calls.append(list(texts))
        shades = [(seed % 256, seed // 256 % 256, 255 * through) for seed, through in zip(seeds, adapted, strict=True)]
        return [Image.new("RGB", (4, 4), shade) for shade in shades]


def test_arms_are_paired_by_seed_and_sorted():
    planned = shots.plan([prompt("b"), prompt("a", complex_=None)], config())
    assert [shot.sample_id for shot in planned] == [
        "a/00/adapted",
        "a/00/base",
        "a/01/adapted",
        "a/01/base",
        "b/00/adapted",
        "b/00/base",
        "b/00/complex",
        "b/01/adapted",
        "b/01/base",
        "b/01/complex",
    ]
    by_pair = {}
    for shot in planned:
        by_pair.setdefault((shot.prompt.id, shot.index), set()).add(shot.seed)
    assert all(len(seeds) == 1 for seeds in by_pair.values())
    assert len(set.union(*by_pair.values())) == 4
    assert {shot.text for shot in planned if shot.arm == "complex"} == {"red square, 2"}


def test_without_reference_arms_there_are_two():
    assert {shot.arm for shot in shots.plan([prompt()], config(reference_arms=[]))} == {"base", "adapted"}


def test_a_base_pictures_key_does_not_name_the_adapter():
    planned = shots.plan([prompt()], config(images_per_prompt=1))
    one, other = shots.work_keys(planned, "adapter-1"), shots.work_keys(planned, "adapter-2")
    changed = [shot.arm for shot, first, second in zip(planned, one, other, strict=True) if first != second]
    assert changed == ["adapted"]


def test_the_painter_fills_batches_and_gives_what_was_asked():
    planned = shots.plan([prompt()], config())
    keys = shots.work_keys(planned, "adapter")
    sampler = Coloured()
    painter = Painter(sampler, 4)
    some = painter(shots.work_table(planned[:3], keys[:3]))
    alone = painter(shots.work_table(planned[1:2], keys[1:2]))
    assert [len(call) for call in sampler.calls] == [4, 4]
    assert some.column("key").to_pylist() == keys[:3]
    assert alone.column("image")[0] == some.column("image")[1]
    assert Image.open(io.BytesIO(alone.column("image")[0].as_py())).size == (4, 4)

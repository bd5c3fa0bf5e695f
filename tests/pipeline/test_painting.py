import io

import pytest
from PIL import Image

from pipeline import painting, shots, work
from pipeline.adapters import folder
from pipeline.adapters.config import LlmNamed, LlmRead, StatesNamed
from pipeline.files import file_digest, read_json
from pipeline.methods.settings import CONTROLNETS
from pipeline.painting import CONTROLLED, RESULT, Painter
from pipeline.sampling import Method, png
from tests.pipeline.methods import tiny_controlnet
from tests.pipeline.test_shots import config, prompt
from tests.stages.test_latents import config as base
from tests.stages.test_sample import write_adapter


class Coloured:
    """A sampler whose pictures say their seed."""

    def __init__(self, **method):
        self.method = Method(None, **method)
        self.calls = []

    def pictures(self, texts, seeds, adapted, conditions=None):
        self.calls.append(list(texts))
        shades = [(seed % 256, seed // 256 % 256, 255 * through) for seed, through in zip(seeds, adapted, strict=True)]
        return [Image.new("RGB", (4, 4), shade) for shade in shades]


def planned_rows(count, sources=None):
    planned = shots.plan([prompt()], config())[:count]
    keys = shots.work_keys(planned, "adapter", sources)
    return keys, shots.work_table(planned, keys, sources)


def test_the_painter_fills_batches_and_gives_what_was_asked():
    keys, rows = planned_rows(3)
    sampler = Coloured()
    painter = Painter(sampler, 4)
    some, alone = painter(rows), painter(rows.slice(1, 1))
    assert [len(call) for call in sampler.calls] == [4, 4]
    assert some.column("key").to_pylist() == keys
    assert alone.column("image")[0] == some.column("image")[1]
    assert Image.open(io.BytesIO(alone.column("image")[0].as_py())).size == (4, 4)


def test_a_method_of_one_picture_a_call_is_not_filled_up():
    sampler = Coloured(alone=True)
    assert Painter(sampler, 4)(planned_rows(3)[1]).num_rows == 3
    assert [len(call) for call in sampler.calls] == [3]


def test_what_a_controlnet_was_shown_is_kept():
    sources = [png(Image.new("RGB", (2, 2), colour)) for colour in ("red", "blue")]
    painter = Painter(Coloured(prepare=lambda picture: picture.resize((8, 8))), 4)
    made = painter(planned_rows(2, sources)[1])
    sizes = [Image.open(io.BytesIO(content)).size for content in made.column("condition").to_pylist()]
    assert sizes == [(8, 8), (8, 8)]
    assert made.column("condition")[0] != made.column("condition")[1]


def nets(**changes):
    return {"canny": tiny_controlnet.canny(**changes), "seg": tiny_controlnet.seg("prompts/seg")}


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("sag", {"sag": {"scale": 0.5}}),
        ("pag", {"pag": {"scale": 1.0, "layers": ["mid"]}}),
        ("weighting", {"weighting": {"factor": 1.21, "adapter_order": "after"}}),
        ("panorama", {"panorama": {"height_px": 32, "width_px": 32, "scheduler_of": None}}),
        ("canny", {"controlnets": nets(low=70.0)}),
    ],
)
def test_a_methods_setting_makes_its_pictures_anew_and_no_plain_one(method, changes):
    common = {"controlnets": nets()}
    before, after = config(**common), config(**{**common, **changes})
    assert painting.store(method, before, base()).folder != painting.store(method, after, base()).folder
    assert painting.store("none", before, base()).folder == painting.store("none", after, base()).folder


def test_where_conditioning_pictures_lie_does_not_matter():
    stores = [
        painting.store("seg", config(controlnets={"canny": None, "seg": tiny_controlnet.seg(place)}), base())
        for place in ("prompts/here", "prompts/there")
    ]
    assert stores[0].folder == stores[1].folder


def test_a_controlnets_results_hold_what_it_was_shown():
    chosen = config(controlnets=nets())
    for method in ("none", "sag", *CONTROLNETS):
        expected = CONTROLLED if method in CONTROLNETS else RESULT
        assert [field.name for field in painting.store(method, chosen, base()).schema][1:] == expected.names


def llms():
    read = {"dtype": "float32", "quantisation": "none", "store_dtype": "float32"}
    named = {"model": "llm", "revision": "main", "layer": 4}
    return {
        "sur": LlmNamed(**named),
        "llmdiff": LlmRead(**named, **read),
        "llm4gen": StatesNamed(**named, **read, pool_bos=False),
    }


@pytest.fixture
def adapter_of(tmp_path, monkeypatch):
    """A folder whose config.json names another kind of LLM, as it is read."""
    path = write_adapter(tmp_path / "adapter")
    about = folder.read_config(path)

    def of(kind):
        monkeypatch.setattr(folder, "read_config", lambda _: about.model_copy(update={"llm": llms()[kind]}))
        return path

    return of


@pytest.mark.parametrize(
    ("kind", "modules"),
    [
        ("llmdiff", ["prompt_states", "block_states", "llm_loading", "decoder", "layer_encoder", "prompt_tokens"]),
        ("llm4gen", ["prompt_states", "padded_states", "llm_loading", "decoder", "prompt_tokens", "token_states"]),
    ],
)
def test_code_that_runs_the_llm_makes_those_adapters_pictures_anew_and_no_other(kind, modules, adapter_of, monkeypatch):
    def keys(edited=None):
        real = work.digests
        monkeypatch.setattr(
            painting, "digests", lambda code: {**real(code), **{name: "" for name in real(code) if name == edited}}
        )
        planned = shots.plan([prompt()], config(images_per_prompt=1))
        made = [shots.work_keys(planned, painting.adapter_digest(adapter_of(each), config())) for each in (kind, "sur")]
        return [{shot.arm: key for shot, key in zip(planned, some, strict=True)} for some in made]

    before = keys()
    for name in modules:
        reading, trained = keys(f"pipeline.{name}")
        assert {arm for arm in reading if reading[arm] != before[0][arm]} == {"adapted"}
        assert trained == before[1]


def test_the_negative_prompts_way_through_the_adapter_is_the_adapted_pictures_matter(adapter_of):
    path = adapter_of("sur")
    plain, through = (config(adapt_negative=value) for value in (False, True))
    assert painting.adapter_digest(path, plain) != painting.adapter_digest(path, through)
    assert painting.adapter_digest(path, plain) == file_digest(path / folder.CONFIG)
    for method in ("none", "sag"):
        assert painting.store(method, plain, base()).folder == painting.store(method, through, base()).folder


def test_what_finds_a_prompts_words_decides_weighted_pictures_alone():
    code = {
        method: read_json(painting.store(method, config(), base()).folder / work.CODE)
        for method in ("none", "weighting", "sag")
    }
    assert [method for method, modules in code.items() if "pipeline.describing" in modules] == ["weighting"]

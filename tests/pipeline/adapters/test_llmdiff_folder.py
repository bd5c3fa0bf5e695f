import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.adapters import folder
from pipeline.adapters.folder import LlmNamed, LlmRead, Named
from pipeline.errors import ModelError
from pipeline.files import file_digest
from tests.pipeline import tiny_models
from tests.pipeline.adapters.test_llmdiff import BLOCKS, LLM_WIDTH, made, prompts, spoken

HUB = Named(model="someone/model", revision="0123abc")
LLM = LlmRead(
    model="meta/llama", revision="ffff", layer=BLOCKS, dtype="float16", quantisation="none", store_dtype="float16"
)


@pytest.fixture(scope="module")
def unet():
    return tiny_models.load().unet


def save(path, adapter, llm=LLM):
    return folder.save(path, adapter, base=HUB, llm=llm, w0_seed=None, llm_scale=None, steps=7)


@pytest.fixture
def trained(tmp_path, unet):
    adapter = spoken(made(unet, eta=0.75)).eval()
    save(tmp_path / "adapter", adapter)
    return adapter, tmp_path / "adapter"


def load(path, unet, base=HUB, width=tiny_models.WIDTH):
    return folder.load(path, base=base, width=width, unet=unet)


def test_a_saved_adapter_comes_back_bit_for_bit(trained, unet):
    adapter, path = trained
    again = load(path, unet)
    assert not again.training
    assert all(not parameter.requires_grad for parameter in again.parameters())
    assert again.config == adapter.config
    with torch.no_grad():
        assert torch.equal(again(prompts(), eta=1.0), adapter(prompts(), eta=1.0))
    assert again.state_dict().keys() == adapter.state_dict().keys() == load_file(path / folder.WEIGHTS).keys()


def test_config_says_how_the_llm_is_read_and_the_card_too(trained):
    _, path = trained
    config = folder.read_config(path)
    assert config.llm == LLM
    assert (config.llm_width, config.w0_seed, config.llm_scale) == (LLM_WIDTH, None, None)
    card = (path / folder.CARD).read_text()
    assert "LLMDiff-Adapter for someone/model" in card
    assert "its first 3 blocks, needed for every picture" in card
    assert "mixing" not in card


@pytest.mark.parametrize(
    "other", [Named(model="someone/model", revision="999"), Named(model="another/model", revision="0123abc")]
)
def test_another_base_model_is_refused_in_one_line(trained, unet, other):
    with pytest.raises(ModelError, match=r"trained for someone/model at 0123abc, not for .* own base model only$"):
        load(trained[1], unet, base=other)


def test_a_damaged_file_is_refused_in_one_line(trained, unet):
    path = trained[1] / folder.WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ModelError, match=r"^[^\n]* is damaged or from another adapter[^\n]*$"):
        load(trained[1], unet)


@pytest.mark.parametrize("changes", [{"llm_width": 4}, {"llm": {**LLM.model_dump(), "layer": BLOCKS + 1}}])
def test_weights_of_another_llm_width_or_number_of_blocks_are_refused(trained, unet, changes):
    path = trained[1] / folder.CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(ModelError, match=r"does not fit its config.json"):
        load(trained[1], unet)


@pytest.mark.parametrize(
    "changes", [{"llm_width": None}, {"llm": LlmNamed(**{"model": "m", "revision": "r", "layer": 3}).model_dump()}]
)
def test_a_config_that_does_not_say_how_the_llm_is_read_is_refused(trained, unet, changes):
    path = trained[1] / folder.CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(ModelError, match=r"lacks llm_width or how the LLM is read: it is damaged"):
        load(trained[1], unet)


def test_weights_that_lack_a_layer_are_refused(trained, unet):
    path = trained[1]
    weights = load_file(path / folder.WEIGHTS)
    weights.pop(next(name for name in weights if name.endswith("to_k.weight")))
    save_file(weights, path / folder.WEIGHTS)
    config = json.loads((path / folder.CONFIG).read_text())
    config["weights_sha256"] = file_digest(path / folder.WEIGHTS)
    (path / folder.CONFIG).write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"does not fit its config.json: .*to_k"):
        load(path, unet)


def test_it_is_loaded_for_a_unet(trained):
    with pytest.raises(ValueError, match="give the base model's"):
        load(trained[1], None)

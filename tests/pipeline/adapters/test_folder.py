import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.adapters import checkpoint, folder
from pipeline.adapters.folder import LlmNamed, Named, StatesNamed
from pipeline.adapters.kinds import NoAdapter
from pipeline.adapters.official import OfficialAdapter
from pipeline.adapters.settings import AdapterParams
from pipeline.errors import ModelError
from pipeline.files import file_digest
from tests.pipeline.adapters import official_file, test_llm4gen
from tests.pipeline.adapters.test_sur import BASE, made, states

HUB = Named(model="someone/model", revision="0123abc")
LLM = LlmNamed(model="meta/llama", revision="ffff", layer=40)


@pytest.fixture
def trained(tmp_path):
    adapter = made(g_init="normal").eval()
    folder.save(tmp_path / "adapter", adapter, base=HUB, llm=LLM, w0_seed=0, llm_scale="raw", steps=7)
    return adapter, tmp_path / "adapter"


def load(path, base=HUB, width=8):
    return folder.load(path, base=base, width=width)


def test_a_saved_adapter_comes_back_bit_for_bit(trained):
    adapter, path = trained
    again = load(path)
    assert not again.training
    assert all(not parameter.requires_grad for parameter in again.parameters())
    assert again.state_dict().keys() == adapter.state_dict().keys()
    with torch.no_grad():  # PyTorch rounds otherwise where it records gradients
        assert torch.equal(again(states()).condition, adapter(states()).condition)
    assert torch.equal(again.projection, adapter.projection)


def test_the_same_adapter_gives_the_same_bytes(trained, tmp_path):
    adapter, path = trained
    folder.save(tmp_path / "again", adapter, base=HUB, llm=LLM, w0_seed=0, llm_scale="raw", steps=7)
    for name in (folder.WEIGHTS, folder.CONFIG, folder.CARD):
        assert (path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_config_and_card_say_what_it_belongs_to(trained):
    _, path = trained
    config = folder.read_config(path)
    assert (config.base, config.llm.layer, config.steps, config.adapter.eta) == (HUB, 40, 7, 0.25)
    card = (path / folder.CARD).read_text()
    assert "base_model: someone/model" in card
    assert "layer 40 counted from 1" in card


@pytest.mark.parametrize(
    "other", [Named(model="someone/model", revision="999"), Named(model="another/model", revision="0123abc")]
)
def test_another_base_model_is_refused_in_one_line(trained, other):
    with pytest.raises(ModelError, match=r"trained for someone/model at 0123abc, not for .* own base model only$"):
        load(trained[1], base=other)


def test_a_base_model_folder_may_have_moved(tmp_path):
    folder.save(
        tmp_path / "adapter",
        made(),
        base=Named(model="./old/place", revision="abcd"),
        llm=LLM,
        w0_seed=0,
        llm_scale="raw",
        steps=1,
    )
    assert load(tmp_path / "adapter", base=Named(model="./new/place", revision="abcd")).width == 8
    assert "base_model:" not in (tmp_path / "adapter" / folder.CARD).read_text()


def test_another_width_is_refused(trained):
    with pytest.raises(ModelError, match="takes text states of width 8, the model gives 16"):
        load(trained[1], width=16)


def test_damaged_weights_are_refused(trained):
    weights = trained[1] / folder.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="is damaged or from another adapter"):
        load(trained[1])


def test_weights_of_other_shapes_are_refused(trained):
    path = trained[1]
    values = load_file(path / folder.WEIGHTS)
    values["g.weight"] = torch.zeros(2, 2)
    save_file(values, path / folder.WEIGHTS)
    config = json.loads((path / folder.CONFIG).read_text())
    config["weights_sha256"] = file_digest(path / folder.WEIGHTS)
    (path / folder.CONFIG).write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"does not fit its config\.json"):
        load(path)


def test_missing_weights_are_told(trained):
    (trained[1] / folder.WEIGHTS).unlink()
    with pytest.raises(ModelError, match=r"adapter\.safetensors is missing"):
        load(trained[1])


def test_a_folder_without_config_is_no_adapter(tmp_path):
    with pytest.raises(ModelError, match="is no adapter folder"):
        load(tmp_path)


@pytest.mark.parametrize("content", ["{", "{}", '{"format": 2}'])
def test_a_damaged_config_is_told_in_one_line(trained, content):
    (trained[1] / folder.CONFIG).write_text(content)
    with pytest.raises(ModelError, match="is damaged or of another format") as caught:
        load(trained[1])
    assert "\n" not in str(caught.value)


@pytest.fixture
def converted(tmp_path):
    source, path = tmp_path / "theirs.pt", tmp_path / "official"
    official_file.write(source)
    found = checkpoint.read(source)
    folder.save_official(path, found, base=HUB, eta=0.1)
    return found, path


def test_converted_weights_come_back_and_compute_what_the_authors_network_does(converted):
    found, path = converted
    adapter = load(path, width=16)
    assert isinstance(adapter, OfficialAdapter)
    assert not adapter.training
    assert all(not parameter.requires_grad for parameter in adapter.parameters())
    assert adapter.state_dict().keys() == found.weights.keys()
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(
        adapter(x).condition.double(), official_file.theirs(official_file.state(), x, 0.1), rtol=0, atol=1e-5
    )


def test_the_same_file_converts_to_the_same_bytes(converted, tmp_path):
    found, path = converted
    folder.save_official(tmp_path / "again", found, base=HUB, eta=0.1)
    for name in (folder.WEIGHTS, folder.CONFIG, folder.CARD):
        assert (path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_what_the_authors_file_does_not_tell_is_null(converted):
    found, path = converted
    said = json.loads((path / folder.CONFIG).read_text())
    assert {name for name, value in said.items() if value is None} == {
        "llm",
        "llm_width",
        "w0_seed",
        "llm_scale",
        "steps",
    }
    assert said["adapter"] == {"kind": "sur", "compat": "official", "eta": 0.1, "feed_forward_width": 24}
    assert (said["base"], said["width"], said["official_sha256"]) == (HUB.model_dump(), 16, found.sha256)
    card = (path / folder.CARD).read_text()
    assert "| base model | `someone/model at 0123abc` | whoever converted it: the file does not tell |" in card
    assert "| language model and layer | unknown | |" in card
    assert found.sha256 in card


def test_a_converted_adapter_refuses_another_base_and_width_too(converted):
    with pytest.raises(ModelError, match="trained for someone/model at 0123abc, not for"):
        load(converted[1], base=Named(model="someone/model", revision="999"), width=16)
    with pytest.raises(ModelError, match="takes text states of width 16, the model gives 8"):
        load(converted[1])


def test_a_damaged_config_of_a_converted_adapter_is_one_line(converted):
    path = converted[1] / folder.CONFIG
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "steps": 5000}))
    with pytest.raises(
        ModelError, match="is damaged or of another format: 1 validation error for OfficialConfig: steps"
    ):
        load(converted[1], width=16)


class Unet(torch.nn.Module):
    """Two weights, one of them of the cross-attention."""

    def __init__(self):
        super().__init__()
        self.attn2 = torch.nn.Linear(2, 3, bias=False)
        self.rest = torch.nn.Linear(2, 2, bias=False)


def control(path, **changes):
    adapter = NoAdapter(AdapterParams(**{**BASE, "kind": "none"}), width=8)
    told = {"base": HUB, "llm": None, "w0_seed": None, "llm_scale": None, "steps": 7, "parts": "cross_attention"}
    folder.save(path, adapter, unet={"attn2.weight": torch.ones(3, 2)}, **{**told, **changes})
    return path


def test_trained_parts_of_the_unet_come_back_and_nothing_else_of_it(tmp_path):
    path = control(tmp_path / "control")
    assert set(load_file(path / folder.UNET)) == {"attn2.weight"}
    got = folder.load_unet(path, Unet())
    assert got.keys() == {"attn2.weight"}
    assert torch.equal(got["attn2.weight"], torch.ones(3, 2))
    adapter = load(path)
    assert isinstance(adapter, NoAdapter)
    assert torch.equal(adapter(states()), states())
    assert not list(adapter.parameters())


def test_an_adapter_with_a_frozen_unet_has_no_file_for_it(trained, converted):
    for path in (trained[1], converted[1]):
        assert not (path / folder.UNET).exists()
        assert folder.load_unet(path, Unet()) == {}


def test_config_and_card_of_a_control_say_what_was_trained(tmp_path):
    path = control(tmp_path / "control", moving_average=True)
    config = folder.read_config(path)
    assert (config.unet.parts, config.llm, config.llm_width, config.moving_average) == (
        "cross_attention",
        None,
        None,
        True,
    )
    card = (path / folder.CARD).read_text()
    assert "| kind | none |" in card
    assert "| language model | none |" in card
    assert "trained too: cross-attention, in `unet.safetensors`" in card
    assert "| weights | moving average |" in card
    assert "unet.load_state_dict(folder.load_unet" in card


def test_damaged_weights_of_the_unet_are_one_line(tmp_path):
    path = control(tmp_path / "control")
    weights = path / folder.UNET
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=r"unet\.safetensors is damaged or from another adapter"):
        folder.load_unet(path, Unet())
    weights.unlink()
    with pytest.raises(ModelError, match=r"unet\.safetensors is missing"):
        folder.load_unet(path, Unet())


@pytest.mark.parametrize("weights", [{"other.weight": torch.ones(3, 2)}, {"attn2.weight": torch.ones(2, 2)}])
def test_weights_of_another_unet_are_one_line(tmp_path, weights):
    path = tmp_path / "control"
    adapter = NoAdapter(AdapterParams(**{**BASE, "kind": "none"}), width=8)
    folder.save(path, adapter, base=HUB, llm=None, w0_seed=None, llm_scale=None, steps=1, parts="full", unet=weights)
    with pytest.raises(ModelError, match=r"does not fit the base model's U-Net: (other|attn2)\.weight$"):
        folder.load_unet(path, Unet())


@pytest.mark.parametrize("key", ["llm_width", "w0_seed"])
def test_a_config_of_kind_sur_without_its_llm_is_damaged(trained, key):
    path = trained[1]
    config = json.loads((path / folder.CONFIG).read_text())
    (path / folder.CONFIG).write_text(json.dumps({**config, key: None}))
    with pytest.raises(ModelError, match=f"of kind sur lacks {key}: it is damaged"):
        load(path)


def test_an_adapter_that_needs_the_llm_for_each_picture_says_so_and_comes_back(tmp_path):
    adapter, path = test_llm4gen.made(), tmp_path / "cross"
    states_of = StatesNamed(
        **LLM.model_dump(), dtype="bfloat16", quantisation="none", store_dtype="float16", pool_bos=False
    )
    folder.save(path, adapter, base=HUB, llm=states_of, w0_seed=None, llm_scale=None, steps=7)
    config = folder.read_config(path)
    assert (config.llm, config.llm_width) == (states_of, test_llm4gen.LLM_WIDTH)
    again, inputs = load(path), test_llm4gen.inputs()
    with torch.no_grad():
        assert torch.equal(again(*inputs), adapter(*inputs))
    card = (path / folder.CARD).read_text()
    assert "`meta/llama at ffff` (bfloat16), layer 40 counted from 1, needed for every picture" in card
    assert "condition = adapter(text_states, llm_states)  # (batch, 83, 8)" in card

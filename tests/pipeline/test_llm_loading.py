import logging
import sys
import types

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from pipeline import llm_loading
from pipeline.errors import ModelError
from pipeline.llm_loading import load_decoder, load_tokens
from pipeline.model_folders import write_revision
from tests.pipeline.frozen_models import llama_folder, llm_params

IDS = [[1, 4, 7, 9], [1, 5, 8, 2]]
SIZES = {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
WIDE = SIZES | {"intermediate_size": 24, "max_position_embeddings": 32, "initializer_range": 0.5}
FAMILIES = {
    "llama": WIDE,
    "mistral": WIDE | {"num_key_value_heads": 1},
    "qwen2": WIDE | {"num_key_value_heads": 1},
    "gemma": WIDE | {"num_key_value_heads": 1, "head_dim": 8},
    "gpt_neox": WIDE,
    "phi": WIDE,
    "gpt2": {
        "vocab_size": 32,
        "n_embd": 16,
        "n_layer": 3,
        "n_head": 2,
        "n_positions": 32,
        "bos_token_id": 0,
        "eos_token_id": 0,
    },
    "falcon": SIZES,
    "bloom": {"vocab_size": 32, "hidden_size": 16, "n_layer": 3, "n_head": 2},
    "mpt": {"vocab_size": 32, "d_model": 16, "n_layers": 3, "n_heads": 2, "max_seq_len": 32},
    "opt": SIZES | {"ffn_dim": 24, "word_embed_proj_dim": 16, "max_position_embeddings": 32},
}


def family(name, folder):
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(name, **FAMILIES[name])
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    model.save_pretrained(folder)
    return model, llm_params(model=str(folder), revision=write_revision(folder))


@pytest.mark.parametrize("name", FAMILIES)
def test_decoders_of_many_families_are_read_no_deeper_than_needed(name, tmp_path, caplog):
    whole, config = family(name, tmp_path / "model")
    found = {}
    with caplog.at_level(logging.WARNING, logger="transformers"):
        decoder = load_decoder(config, 2, device="cpu")
    decoder.run(IDS, {layer: lambda states, layer=layer: found.update({layer: states}) for layer in range(3)})
    with torch.no_grad():
        expected = whole(torch.tensor(IDS), output_hidden_states=True).hidden_states
    assert len(decoder.blocks) == 2
    for layer in range(3):
        assert torch.equal(found[layer], expected[layer])
    assert not caplog.records


def test_weights_above_the_deepest_layer_are_never_made(tmp_path, monkeypatch):
    _, config = family("llama", tmp_path / "model")
    made = []
    monkeypatch.setattr(
        transformers.models.llama.modeling_llama.LlamaDecoderLayer,
        "__init__",
        counted(transformers.models.llama.modeling_llama.LlamaDecoderLayer.__init__, made),
    )
    load_decoder(config, 1, device="cpu")
    assert len(made) == 1


def counted(action, calls):
    def count(*args, **kwargs):
        calls.append(args)
        action(*args, **kwargs)

    return count


def test_kinds_of_layers_are_shortened_with_them():
    config = transformers.AutoConfig.for_model("qwen2", **FAMILIES["qwen2"])
    assert len(config.layer_types) == 3
    llm_loading.shallow(config, 2)
    assert (config.num_hidden_layers, len(config.layer_types)) == (2, 2)
    llm_loading.shallow(config, 9)
    assert config.num_hidden_layers == 2


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path):
    folder = tmp_path / "model"
    family("llama", folder)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {key: value for key, value in weights.items() if "0.mlp.up" not in key},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ModelError, match=r"it lacks 1 weights, first layers.0.mlp.up_proj.weight"):
        load_decoder(llm_params(model=str(folder), revision=write_revision(folder)), 3, device="cpu")


def test_a_model_may_be_spread_over_devices(tmp_path):
    _, config = family("llama", tmp_path / "model")
    alone, spread = (load_decoder(config, 3, device="cpu", device_map=way) for way in (None, "auto"))
    found = []
    for decoder in (alone, spread):
        decoder.run(IDS, {3: found.append})
    assert spread.device.type == "cpu"
    np.testing.assert_array_equal(*found)


def test_quantised_weights_need_their_extra_and_a_gpu(tmp_path, monkeypatch):
    config = llm_params(model=str(tmp_path), quantisation="8bit")
    monkeypatch.setattr(llm_loading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"llm.quantisation 8bit needs bitsandbytes: pip install .\[quantised\]"):
        load_decoder(config, 1, device="cuda")
    monkeypatch.setattr(llm_loading.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(
        ModelError, match=r"llm.quantisation 8bit needs a CUDA GPU, compute.device gives cpu: take none"
    ):
        load_decoder(config, 1, device="cpu")


@pytest.mark.parametrize(("bits", "wanted"), [("8bit", "load_in_8bit"), ("4bit", "load_in_4bit")])
def test_quantised_weights_are_asked_of_transformers(tmp_path, monkeypatch, bits, wanted):
    whole, config = family("llama", tmp_path / "model")
    given = {}

    def from_pretrained(name, **settings):
        given.update(settings)
        return whole.model, {"missing_keys": set()}

    monkeypatch.setattr(llm_loading.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "bitsandbytes", types.ModuleType("bitsandbytes"))
    monkeypatch.setattr(transformers.BitsAndBytesConfig, "post_init", lambda self: None)
    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", from_pretrained)
    load_decoder(config.model_copy(update={"quantisation": bits, "dtype": "bfloat16"}), 2, device="cuda")
    assert getattr(given["quantization_config"], wanted)
    assert given["device_map"] == {"": "cuda"}
    assert given["dtype"] == torch.bfloat16
    if bits == "4bit":
        assert given["quantization_config"].bnb_4bit_compute_dtype == torch.bfloat16


def test_the_tokenizer_comes_without_the_weights(tmp_path):
    model, _ = llama_folder(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    config = llm_params(model=model, revision=write_revision(tmp_path / "model"))
    assert load_tokens(config).ids(["a red star"]) == [[1, 4, 7, 12]]

import json
import re

import huggingface_hub
import numpy as np
import pyarrow as pa
import pytest

from pipeline import llm, tables
from pipeline.errors import InputError, ModelError, SettingError
from pipeline.llm import LlmParams, LlmShape
from pipeline.params import load

GOOD = {
    "model": "m",
    "revision": "r",
    "layer": 2,
    "layers": "all",
    "dtype": "float32",
    "quantisation": "none",
    "store_dtype": "float16",
    "final_norm": False,
    "pool_bos": False,
    "states": "pooled",
    "states_layer": "last",
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes params.yaml with a changed section ``llm`` and reads it."""
    monkeypatch.chdir(tmp_path)

    def write(**changes):
        lines = [f"  {key}: {json.dumps(value)}" for key, value in (GOOD | changes).items()]
        (tmp_path / "params.yaml").write_text("\n".join(["llm:", *lines]) + "\n")
        return load(LlmParams, "llm")

    return write


def test_layers_are_all_or_a_list(written):
    assert llm.requested(written(), 3) == (1, 2, 3)
    assert llm.requested(written(layers=[3, 2]), 40) == (2, 3)


@pytest.mark.parametrize("layers", [[], [0, 2], [2, 2], [2.0], [True, 2], "some", 2, None])
def test_anything_else_as_layers_is_refused_in_one_line(written, layers):
    with pytest.raises(SettingError, match=r'^llm.layers must be "all" or a list of different layers .*line 5\)$'):
        written(layers=layers)


def test_the_trained_layer_must_be_cached(written):
    with pytest.raises(SettingError, match=re.escape("llm.layers must hold llm.layer, which is 2, got [1, 3]")):
        written(layers=[1, 3])


def test_a_wrong_layer_is_told_once(written):
    with pytest.raises(SettingError) as caught:
        written(layer=0)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("key", "value"), [("states", "words"), ("dtype", "int8"), ("store_dtype", "bfloat16"), ("quantisation", "2bit")]
)
def test_unknown_choices_are_refused(written, key, value):
    with pytest.raises(SettingError, match=f"^llm.{key} should be .* got '{value}'"):
        written(**{key: value})


def test_layers_beyond_the_llm_are_refused_with_key_range_and_line(written):
    llm.check_layers(written(layer=40), 40)
    with pytest.raises(
        SettingError, match=r"^llm.layer must be 1 to 40 for this LLaMA, got 41 \(params.yaml, line 4\)$"
    ):
        llm.check_layers(written(layer=41), 40)
    with pytest.raises(SettingError, match=r"^llm.layers must be 1 to 40 for this LLaMA, got 77"):
        llm.check_layers(written(layers=[2, 77]), 40)
    llm.check_layers(written(states_layer=40), 40)
    with pytest.raises(SettingError, match=r"^llm.states_layer must be 1 to 40 for this LLaMA, got 41"):
        llm.check_layers(written(states_layer=41), 40)


def test_token_states_are_of_the_last_layer_unless_another_is_named(written):
    assert llm.states_layer(written(), 40) == 40
    assert llm.states_layer(written(states_layer=39), 40) == 39


@pytest.mark.parametrize(
    "config",
    [
        {"num_hidden_layers": 40, "hidden_size": 64},
        {"n_layer": 40, "n_embd": 64},
        {"text_config": {"num_hidden_layers": 40, "hidden_size": 64}},
    ],
)
def test_sizes_are_read_from_the_config(tmp_path, config):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert llm.shape(str(tmp_path), "0") == LlmShape(layers=40, width=64)
    assert llm.layer_count(str(tmp_path), "0") == 40


def test_a_config_without_sizes_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="does not say num_hidden_layers"):
        llm.shape(str(tmp_path), "0")


def test_a_hub_model_out_of_reach_has_no_count(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert llm.layer_count("owner/certainly-not-cached", "abc") is None


@pytest.fixture
def layer(tmp_path):
    path = tmp_path / "layer_7.parquet"
    rows = [{"sample_id": name, "embedding": [number, 0.5]} for number, name in enumerate("abc")]
    tables.write(tables.from_rows(rows, llm.embeddings(2, "float16")), path, llm.embeddings(2, "float16"))
    return path


def test_vectors_come_in_the_order_of_the_samples(layer):
    vectors = llm.load_layer(layer, ["c", "a", "c"])
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[2, 0.5], [0, 0.5], [2, 0.5]]
    assert llm.load_layer(layer, []).shape == (0, 2)


def test_a_layer_that_is_not_cached_names_the_setting(layer):
    with pytest.raises(InputError, match=r"layer_8.parquet is missing: layer 8 is not cached, extend llm.layers"):
        llm.load_layer(layer.with_name("layer_8.parquet"), ["a"])
    with pytest.raises(InputError, match=r"extend llm.layers"):
        llm.load_layer(layer.with_name("other.parquet"), ["a"])


def test_a_sample_that_is_not_embedded_is_named(layer):
    with pytest.raises(InputError, match=r"lacks 2 samples, first x: run dvc repro embed"):
        llm.load_layer(layer, ["a", "x", "y"])


def test_a_damaged_layer_is_one_line(layer):
    layer.write_bytes(layer.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"is not a layer of vectors"):
        llm.load_layer(layer, ["a"])
    other = tables.schema(tables.column("sample_id", pa.string(), ""), tables.column("embedding", pa.float32(), ""))
    tables.write(other.empty_table(), layer, other)
    with pytest.raises(InputError, match=r"is not a layer of vectors"):
        llm.load_layer(layer, [])

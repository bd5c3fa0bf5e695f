import pickle

import numpy as np
import pytest
import torch

from pipeline import model_folders, operating, prompt_states
from pipeline.adapters.config import AdapterConfig
from pipeline.errors import ModelError
from pipeline.token_states import load_states
from tests.pipeline.adapters.test_sur import BASE
from tests.pipeline.frozen_models import llama_folder, llm_params
from tests.pipeline.test_token_states import expected, word_tokenizer

TOKENS = BASE["llm4gen"]["tokens"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("llama")
    llama_folder(path)
    model_folders.write_revision(path)
    return path


def about(folder, layer=3, **changes):
    llm = llm_params(
        model=str(folder), revision=model_folders.folder_digest(folder), layer=1, store_dtype="float32", states="tokens"
    )
    told = {
        "format": 1,
        "base": {"model": "base", "revision": "1"},
        "width": 8,
        "weights_sha256": "",
        "package_version": "0",
        "adapter": {**BASE, "kind": "llm4gen"},
        "llm": prompt_states.named(llm, layer).model_dump(),
        "llm_width": 16,
        "w0_seed": None,
        "llm_scale": None,
        "steps": 1,
        "moving_average": False,
        "unet": None,
    }
    return AdapterConfig.model_validate({**told, **changes})


class Built:
    """Loads the LLM, and notes for what."""

    def __init__(self):
        self.asked, self.read = [], []

    def __call__(self, config):
        self.asked.append(config)
        encode = load_states(config, config.layer, "prompt", device="cpu", batch=4)

        def noted(rows):
            self.read += rows.column("key").to_pylist()
            return encode(rows)

        return noted


def test_a_texts_states_are_those_of_the_layer_that_was_trained_on(folder):
    read = prompt_states.read(about(folder), ["a red circle", ""], build=Built())
    got = read("a red circle")
    want = expected(word_tokenizer()("a red circle").input_ids, [3])[1:, 0]
    assert got.shape == (1, TOKENS, 16)
    np.testing.assert_allclose(got[0, :3], want, atol=1e-4)
    assert not got[0, 3:].any()


def test_the_empty_text_is_padding_alone_and_asks_no_llm(folder):
    built = Built()
    read = prompt_states.read(about(folder), ["", ""], build=built)
    assert built.asked == []
    assert torch.equal(read(""), torch.zeros(1, TOKENS, 16))


def test_each_text_is_read_once_and_kept(folder):
    built = Built()
    prompt_states.read(about(folder), ["person", "person", "", "two stars"], build=built)
    assert built.read == ["person", "two stars"]
    again = Built()
    prompt_states.read(about(folder), ["two stars", "three stars"], build=again)
    assert again.read == ["three stars"]


def test_states_can_be_sent_to_another_process(folder):
    read = prompt_states.read(about(folder), ["a red circle"], build=Built())
    assert torch.equal(pickle.loads(pickle.dumps(read))("a red circle"), read("a red circle"))


def test_an_adapter_that_needs_no_llm_has_no_states(folder):
    plain = {"model": "x", "revision": "y", "layer": 3}
    assert prompt_states.read(about(folder, llm=plain, adapter=BASE), ["a"], build=None) is None


@pytest.mark.parametrize(("layer", "width"), [(3, 24), (5, 16)])
def test_another_llm_is_refused_in_one_line(folder, layer, width):
    with pytest.raises(ModelError, match=rf"layer {layer} and width {width}, .* 4 layers of width 16: it is another"):
        prompt_states.read(about(folder, layer, llm_width=width), ["a"], build=Built())


def test_an_llm_that_is_not_there_is_told(folder, monkeypatch):
    monkeypatch.setattr(prompt_states, "shape", lambda *_: None)
    with pytest.raises(ModelError, match="cannot be reached, and the adapter reads each prompt with it"):
        prompt_states.read(about(folder), ["a"], build=Built())


def test_the_llm_runs_where_the_other_models_run(folder):
    told = []

    def run(work, rows, store):
        told.append(rows.num_rows)
        operating.local(work, rows, store)

    prompt_states.read(about(folder, 2), ["a", "b c"], build=Built(), run=run)
    assert told == [2]

import pickle
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import block_states, model_folders, operating, prompt_states
from pipeline.adapters import folder as adapter_folder
from pipeline.adapters.config import AdapterConfig
from pipeline.errors import ModelError
from pipeline.token_states import load_states
from tests.pipeline import reading_adapters, tiny_models
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


def of_blocks(folder, layer=3, **changes):
    """What the folder of an adapter of kind llmdiff says."""
    named = {"model": str(folder), "revision": model_folders.folder_digest(folder), "layer": layer}
    kind = {"adapter": {**BASE, "kind": "llmdiff"}}
    return about(folder, layer, llm={**named, **reading_adapters.READ}, **kind, **changes)


@pytest.fixture(params=[about, of_blocks], ids=["llm4gen", "llmdiff"])
def kind(request):
    return request.param


def same(one, other):
    """Whether two prompts' states are the same, in whichever form."""
    parts = [found if isinstance(found, tuple) else (found,) for found in (one, other)]
    return all(torch.equal(left, right) for left, right in zip(*parts, strict=True))


class Built:
    """Loads the LLM, and notes for what."""

    def __init__(self):
        self.asked, self.read = [], []

    def __call__(self, config):
        self.asked.append(config)
        load = block_states.load if config.states == "blocks" else partial(load_states, fed="prompt")
        encode = load(config, config.layer, device="cpu", batch=4)

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


@pytest.mark.parametrize("text", ["", "  "])
def test_the_empty_text_is_zeros_and_asks_no_llm(folder, text):
    built = Built()
    padding = prompt_states.read(about(folder), [text, text], build=built)(text)
    token = prompt_states.read(of_blocks(folder), [text, text], build=built)(text)
    assert built.asked == []
    assert torch.equal(padding, torch.zeros(1, TOKENS, 16))
    assert torch.equal(token.context, torch.zeros(1, 1, 4, 16))
    assert torch.equal(token.alone, token.context)
    assert token.own.tolist() == [[True]]


def test_of_all_blocks_a_text_has_the_states_of_its_tokens_in_context_and_alone(folder):
    found = prompt_states.read(of_blocks(folder), [], build=Built())("a red circle")
    ids = word_tokenizer()("a red circle").input_ids
    np.testing.assert_allclose(found.context[0].float(), expected(ids, range(4))[1:], atol=1e-2)
    alone = [expected([ids[0], token], range(4))[1] for token in ids[1:]]
    np.testing.assert_allclose(found.alone[0].float(), alone, atol=1e-2)
    assert found.context.dtype == torch.float16  # as they are stored
    assert found.own.tolist() == [[True] * 3]


def test_each_text_is_read_once_and_kept(folder, kind):
    built = Built()
    prompt_states.read(kind(folder), ["person", "person", "", "two stars"], build=built)
    assert built.read == ["person", "two stars"]
    assert len(built.asked) == 1
    again = Built()
    prompt_states.read(kind(folder), ["two stars", "three stars"], build=again)
    assert again.read == ["three stars"]


def test_a_text_that_was_not_read_before_is_read_when_it_is_asked_for(folder, kind):
    built = Built()
    read = prompt_states.read(kind(folder), [], build=built)
    assert built.asked == []
    first = read("two stars")
    assert same(read("two stars"), first)
    assert built.read == ["two stars"]
    again = Built()
    assert same(prompt_states.read(kind(folder), [], build=again)("two stars"), first)
    assert again.asked == []


def test_of_all_blocks_a_texts_states_depend_on_no_text_beside_it(folder, tmp_path, monkeypatch):
    texts = ["two blue stars", "a red circle", "two red circles", "person"]
    together = prompt_states.read(of_blocks(folder), texts, build=Built())
    found = [together(text) for text in texts]
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "elsewhere"))
    alone = prompt_states.read(of_blocks(folder), [], build=Built())
    assert all(same(alone(text), one) for text, one in zip(texts, found, strict=True))


def test_states_can_be_sent_to_another_process(folder, kind):
    load = partial(sent_along, "cpu")
    read = prompt_states.read(kind(folder), ["a red circle"], build=load)
    there = pickle.loads(pickle.dumps(read))
    assert same(there("a red circle"), read("a red circle"))
    assert same(there("a blue circle"), read("a blue circle"))


def sent_along(device, config):
    """Loads the LLM, in whichever process."""
    load = block_states.load if config.states == "blocks" else partial(load_states, fed="prompt")
    return load(config, config.layer, device=device, batch=4)


def test_an_adapter_that_needs_no_llm_has_no_states(folder):
    plain = {"model": "x", "revision": "y", "layer": 3}
    assert prompt_states.read(about(folder, llm=plain, adapter=BASE), ["a"], build=None) is None


@pytest.mark.parametrize(("layer", "width"), [(3, 24), (5, 16)])
def test_another_llm_is_refused_in_one_line(folder, kind, layer, width):
    with pytest.raises(ModelError, match=rf"layer {layer} and width {width}, .* 4 layers of width 16: it is another"):
        prompt_states.read(kind(folder, layer, llm_width=width), [], build=Built())


def test_an_llm_that_is_not_there_is_told(folder, kind, monkeypatch):
    monkeypatch.setattr(prompt_states, "shape", lambda *_: None)
    with pytest.raises(ModelError, match="cannot be reached, and the adapter reads each prompt with it"):
        prompt_states.read(kind(folder), [], build=Built())


def test_the_lines_of_an_llmdiff_adapters_card_draw_a_picture(folder, tmp_path, monkeypatch):
    llama = (str(folder), model_folders.folder_digest(folder))
    saved = reading_adapters.write(tmp_path / "adapter", "llmdiff", llama)
    code = re.search(r"```python\n(.*?)```", (saved / adapter_folder.CARD).read_text(), re.DOTALL)[1]
    monkeypatch.chdir(saved)
    known = {"pipe": tiny_models.load().pipeline("ddim")}
    exec(code, known)
    assert known["picture"].size == (tiny_models.SIDE, tiny_models.SIDE)
    assert Path(known["base"].model) == tiny_models.folder()


def test_the_llm_runs_where_the_other_models_run(folder):
    told = []

    def run(work, rows, store):
        told.append(rows.num_rows)
        operating.local(work, rows, store)

    prompt_states.read(about(folder, 2), ["a", "b c"], build=Built(), run=run)
    assert told == [2]

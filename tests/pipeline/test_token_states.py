import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decoder import Decoder
from pipeline.errors import ModelError
from pipeline.operating import BatchSize
from pipeline.prompt_tokens import PromptTokens
from pipeline.token_states import StateEncoder, load_states, result
from tests.pipeline.frozen_models import WORDS, llama, llama_folder, llm_params, word_tokenizer

PROMPTS = ["a red circle", "two stars jumping on a white ground", "three blue circles", "person"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join), min_size=1, max_size=6)


def encoder(layer=4, *, fed="prompt", batch=3, **changes):
    config = llm_params(**{"states": "tokens", "store_dtype": "float32"} | changes)
    tokens = PromptTokens(word_tokenizer(), pool_bos=config.pool_bos)
    size = BatchSize(batch, "cpu", "compute.llm_batch")
    return StateEncoder(Decoder(llama().model, layer), tokens, config, layer, size, fed=fed)


def states(table, row):
    """(T, numbers)."""
    return np.array(table.column("states")[row].as_py(), np.float32)


def expected(ids, layers):
    """(T, layers, d) of what transformers gives for ids, without the last layer's norm."""
    found = {}
    decoder = Decoder(llama().model, 4)
    decoder.run([ids], {layer: lambda seen, layer=layer: found.update({layer: seen[0].numpy()}) for layer in layers})
    return np.stack([found[layer] for layer in layers], axis=1)


def test_tokens_are_the_states_of_one_layer_without_the_start_token():
    table = encoder(3)(pa.table({"key": PROMPTS}))
    assert table.column("key").to_pylist() == PROMPTS
    assert table.column("tokens").to_pylist()[0] == [4, 7, 10]
    for row, prompt in enumerate(PROMPTS):
        ids = word_tokenizer()(prompt).input_ids
        np.testing.assert_allclose(states(table, row), expected(ids, [3])[1:, 0], atol=1e-4)


def test_blocks_are_the_states_before_the_first_and_after_each():
    table = encoder(4, states="blocks")(pa.table({"key": PROMPTS[:1]}))
    found = states(table, 0).reshape(3, 5, 16)
    ids = word_tokenizer()(PROMPTS[0]).input_ids
    np.testing.assert_allclose(found, expected(ids, range(5))[1:], atol=1e-4)
    np.testing.assert_allclose(found[:, 0], llama().model.embed_tokens(torch.tensor(ids[1:])).detach().numpy())


def test_a_token_alone_stands_behind_the_start_token():
    table = encoder(4, fed="token", states="blocks", pool_bos=True)(pa.table({"key": ["7", "10"]}))
    assert table.column("tokens").to_pylist() == [[7], [10]]
    np.testing.assert_allclose(states(table, 1).reshape(5, 16), expected([1, 10], range(5))[1], atol=1e-4)


def test_the_first_word_differs_from_itself_alone_in_nothing():
    """A decoder looks back only: so D_ctx - D_alone is what the words before a token did."""
    alone = encoder(4, fed="token", states="blocks")(pa.table({"key": ["4", "7"]}))
    prompt = encoder(4, states="blocks")(pa.table({"key": ["a red circle"]}))
    np.testing.assert_allclose(states(prompt, 0)[0], states(alone, 0)[0], atol=1e-4)
    assert not np.allclose(states(prompt, 0)[1], states(alone, 1)[0], atol=1e-2)


TOKENS = encoder(4)


@settings(max_examples=10)
@given(TEXTS)
def test_states_do_not_depend_on_the_batch(texts):
    together = TOKENS(pa.table({"key": texts}))
    for row, text in enumerate(texts):
        alone = TOKENS(pa.table({"key": [text]}))
        np.testing.assert_allclose(states(together, row), states(alone, 0), rtol=1e-4, atol=1e-4)


def test_rows_have_the_stated_types():
    table = encoder(4, states="blocks", store_dtype="float16")(pa.table({"key": PROMPTS}))
    stated = result(llm_params(states="blocks"), 4, 16)
    assert [table.schema.field(name).type for name in stated.names] == stated.types


def test_states_that_cannot_be_stored_are_refused(monkeypatch):
    large = encoder(2, store_dtype="float16")
    monkeypatch.setattr(Decoder, "run", lambda self, tokens, looks: looks[2](torch.full((1, 4, 16), 7e4)))
    with pytest.raises(ModelError, match=r"layer 2 reaches 7e\+04, beyond float16: set llm.store_dtype to float32"):
        large(pa.table({"key": PROMPTS[:1]}))


def test_a_folder_is_loaded_as_deep_as_the_states(tmp_path):
    model, revision = llama_folder(tmp_path)
    config = llm_params(model=model, revision=revision, states="tokens", store_dtype="float32")
    loaded = load_states(config, 2, "prompt", device="cpu", batch=2)
    assert len(loaded._decoder.blocks) == 2
    rows = pa.table({"key": PROMPTS[:1]})
    np.testing.assert_array_equal(states(loaded(rows), 0), states(encoder(2)(rows), 0))

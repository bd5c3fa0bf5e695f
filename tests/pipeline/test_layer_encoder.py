import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decoder import Decoder
from pipeline.errors import ModelError
from pipeline.layer_encoder import LayerEncoder, load_encoder, refuse_overflow, result
from pipeline.operating import BatchSize
from pipeline.prompt_tokens import PromptTokens
from tests.pipeline.frozen_models import WORDS, llama, llama_folder, llm_params, word_tokenizer

N = 4
PROMPTS = ["a red circle", "two stars jumping on a white ground", "three blue circles", "person"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join), min_size=1, max_size=6)


def encoder(layers=(1, 2, 3, 4), *, batch=8, tokenizer=None, **changes):
    config = llm_params(**changes)
    tokens = PromptTokens(tokenizer or word_tokenizer(), pool_bos=config.pool_bos)
    decoder = Decoder(llama().model, max(layers))
    return LayerEncoder(decoder, tokens, config, layers, BatchSize(batch, "cpu", "compute.llm_batch"))


def hidden_states(prompt):
    """What transformers gives for one prompt: (T, d) for the embeddings and each layer, the last after the norm."""
    ids = torch.tensor([word_tokenizer()(prompt).input_ids])
    with torch.no_grad():
        return [state[0].numpy() for state in llama().model(ids, output_hidden_states=True).hidden_states]


def test_layers_before_the_last_equal_transformers_hidden_states():
    vectors = encoder().encode(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        states = hidden_states(prompt)
        for layer in range(1, N):
            np.testing.assert_allclose(vectors[layer][row], states[layer][1:].mean(axis=0), atol=1e-5)


def test_the_last_layer_is_taken_before_the_final_norm():
    """The trap: transformers' last hidden state is after the norm, the paper's layer n is not."""
    states, found = hidden_states(PROMPTS[0]), encoder().encode(PROMPTS[:1])[N][0]
    assert not np.allclose(found, states[N][1:].mean(axis=0), atol=1e-2)
    normed = encoder(final_norm=True).encode(PROMPTS[:1])
    np.testing.assert_allclose(normed[N][0], states[N][1:].mean(axis=0), atol=1e-5)
    assert not np.allclose(normed[2][0], states[2][1:].mean(axis=0), atol=1e-2)


def test_pooling_is_the_mean_in_float64_over_the_prompts_own_tokens():
    kept, model = [], llama().model.double()
    model.layers[1].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    ids = torch.tensor([word_tokenizer()(PROMPTS[1]).input_ids])
    with torch.no_grad():
        model(ids)
    tokens = kept[0][0].numpy()  # (T, d) with the start token
    np.testing.assert_allclose(encoder().encode(PROMPTS[1:2])[2][0], tokens[1:].sum(0) / (len(tokens) - 1), atol=1e-5)
    with_start = encoder(pool_bos=True).encode(PROMPTS[1:2])[2][0]
    np.testing.assert_allclose(with_start, tokens.sum(0) / len(tokens), atol=1e-5)


EMBED = encoder((2, 4), batch=3)


@settings(max_examples=15)
@given(TEXTS)
def test_a_vector_does_not_depend_on_its_batch(texts):
    together = EMBED.encode(texts)
    for row, text in enumerate(texts):
        for layer, alone in EMBED.encode([text]).items():
            np.testing.assert_allclose(together[layer][row], alone[0], rtol=1e-4, atol=1e-4)


def test_an_early_exit_changes_nothing():
    short = encoder((2,))
    assert len(short._decoder.blocks) == 2
    np.testing.assert_array_equal(short.encode(PROMPTS)[2], encoder().encode(PROMPTS)[2])


def test_one_pass_serves_all_layers():
    embed, passes = encoder(), []
    embed._decoder.model.register_forward_hook(lambda *_: passes.append(1))
    embed.encode(["a star", "red star", "two stars"])
    assert len(passes) == 1


def test_no_hook_stays_behind():
    embed = encoder()
    embed.encode(PROMPTS)
    assert not any(block._forward_hooks for block in embed._decoder.blocks)


def test_an_end_token_is_none_of_the_prompts_words():
    ended = encoder(tokenizer=word_tokenizer(end=True))
    np.testing.assert_array_equal(ended.encode(PROMPTS)[3], encoder().encode(PROMPTS)[3])


def test_the_empty_prompt_is_its_start_token():
    embed = encoder()
    np.testing.assert_array_equal(embed.encode([""])[1], encoder(pool_bos=True).encode([""])[1])
    with pytest.raises(ValueError, match="has no token"):
        encoder(tokenizer=word_tokenizer(start=False)).encode([""])


def test_no_prompts_give_no_vectors():
    assert encoder().encode([]) == {}


def test_the_operator_gives_the_stated_columns_in_the_order_of_its_keys():
    table = encoder((1, 3))(pa.table({"key": PROMPTS}))
    assert table.column("key").to_pylist() == PROMPTS
    assert table.schema.field("layer_3").type == result((1, 3), 16, "float16").field("layer_3").type
    assert table.column("tokens").to_pylist() == [3, 7, 3, 1]
    vectors = np.array(table.column("layer_3").to_pylist(), np.float32)
    np.testing.assert_allclose(vectors, encoder().encode(PROMPTS)[3], rtol=1e-3, atol=1e-4)


def test_a_folder_is_loaded_as_deep_as_needed(tmp_path):
    model, revision = llama_folder(tmp_path)
    loaded = load_encoder(llm_params(model=model, revision=revision), (3,), device="cpu", batch=2)
    assert len(loaded._decoder.blocks) == 3
    np.testing.assert_array_equal(loaded.encode(PROMPTS)[3], encoder((3,), batch=2).encode(PROMPTS)[3])
    half = load_encoder(llm_params(model=model, revision=revision, dtype="bfloat16"), (4,), device="cpu", batch=2)
    assert half.encode(PROMPTS)[4].dtype == np.float32


def test_pooled_vectors_wait_on_the_device_and_hold_no_token_states():
    """Memory of a pass is that of its last layer: what waits for the end is (B, d) numbers a layer."""
    embed, waiting = encoder(), {}
    embed._pool(torch.ones(5, 7, 16), pooled=waiting, layer=2, first=1)
    assert waiting[2].shape == (5, 16)
    assert waiting[2].untyped_storage().nbytes() == 5 * 16 * 4


def test_a_batch_that_does_not_fit_the_gpu_is_halved(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    embed, sizes, run = encoder((3,)), [], Decoder.run
    expected = embed.encode(["a star"] * 3)[3]
    embed._size = BatchSize("auto", "cuda", "compute.llm_batch")

    def small(decoder, tokens, looks):
        sizes.append(len(tokens))
        if len(tokens) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        run(decoder, tokens, looks)

    monkeypatch.setattr(Decoder, "run", small)
    np.testing.assert_allclose(embed.encode(["a star"] * 3)[3], expected, atol=1e-5)
    assert sizes[-3:] == [1, 1, 1]
    assert "compute.llm_batch: the GPU's memory did not do, going on with 1" in capsys.readouterr().err


def test_values_that_cannot_be_stored_name_layer_and_setting():
    large = np.array([[1.0, -70000.0]], np.float32)
    refuse_overflow(large, "layer 7", llm_params(store_dtype="float32"))
    refuse_overflow(np.empty((0, 2), np.float32), "layer 7", llm_params())
    with pytest.raises(ModelError, match=r"layer 7 reaches 7e\+04, beyond float16: set llm.store_dtype to float32"):
        refuse_overflow(large, "layer 7", llm_params())
    with pytest.raises(ModelError, match=r"layer 3 is not finite in llm.dtype float16"):
        refuse_overflow(large * np.float32(np.nan), "layer 3", llm_params(dtype="float16"))

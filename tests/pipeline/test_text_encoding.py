import dataclasses

import pytest
import torch

from pipeline import diffusion, model_folders, text_encoding
from pipeline.text_encoding import TextStates, joined
from tests.pipeline import model_kinds

PROMPTS = ["a red square", "two", "a!b! b", "red " * 200]


@pytest.fixture(scope="module", params=model_kinds.KINDS)
def kind(request):
    return request.param


def test_text_states_are_those_of_diffusers_own_pipeline(kind):
    model, stock = model_kinds.load(kind), model_kinds.stock(kind)
    text = model.text_states(PROMPTS)
    assert text.states.shape == (4, 77, model_kinds.WIDTHS[kind]) == (4, 77, model.text_width)
    theirs = stock.encode_prompt(PROMPTS, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
    assert torch.equal(text.states, theirs[0])
    if kind == "sdxl":
        assert text.pooled.shape == (4, model_kinds.PROJECTION)
        assert torch.equal(text.pooled, theirs[2])
    else:
        assert text.pooled is None


def test_the_states_of_two_encoders_are_their_last_layers_input_side_by_side():
    model = model_kinds.load("sdxl")
    seen = []

    def note(module, given, _):
        seen.append(given[0])

    for encoder in (model.text_encoder, model.text_encoder_2.text_model):
        encoder.encoder.layers[-1].register_forward_hook(note)
    text = model.text_states(PROMPTS)
    assert torch.equal(text.states, torch.cat(seen, dim=-1))


def test_the_pooled_embedding_is_the_projected_end_token():
    model = model_kinds.load("sdxl")
    encoder, ids = model.text_encoder_2, model.tokenizer_2(PROMPTS[:2]).input_ids
    for row, tokens in enumerate(ids):
        last = encoder.text_model(torch.tensor([tokens])).last_hidden_state[0, len(tokens) - 1]
        alone = encoder.text_projection(last)
        assert torch.allclose(model.text_states(PROMPTS[:2]).pooled[row], alone, atol=1e-5)


def test_own_tokens_go_by_the_mask_where_the_padding_is_a_prompts_token_too(kind):
    model = model_kinds.load(kind)
    padding = (model.tokenizer_2 or model.tokenizer).pad_token
    assert padding == "!"
    own = model.own_tokens(["ab", "", "a!b", "!!", "c " * 200, "c!" * 200])
    assert own.sum(dim=1).tolist() == [2, 0, 3, 2, 75, 75]
    assert own[2, :6].tolist() == [0, 1, 1, 1, 0, 0]
    assert own.dtype == torch.int64


def test_where_two_tokenizers_differ_a_token_is_own_in_both():
    model = model_kinds.load("sdxl")
    whole = model.tokenizer_2

    class Halves:
        model_max_length = 77

        def __call__(self, prompts, **options):
            return whole([prompt[: len(prompt) // 2] for prompt in prompts], **options)

    assert dataclasses.replace(model, tokenizer_2=Halves()).own_tokens(["abcd"]).sum() == 2


def test_the_empty_text_of_sdxl_is_zeros_and_its_neighbours_are_not_touched():
    model = model_kinds.load("sdxl")
    text, alone = model.text_states(["", "ab", ""]), model.text_states(["ab"])
    assert not text.states[[0, 2]].any()
    assert not text.pooled[[0, 2]].any()
    assert torch.allclose(text.states[1], alone.states[0], atol=1e-6)
    assert torch.allclose(text.pooled[1], alone.pooled[0], atol=1e-6)


def test_where_the_model_says_so_the_empty_text_is_encoded(tmp_path):
    path = model_kinds.edited("sdxl", tmp_path, "model_index.json", force_zeros_for_empty_prompt=False)
    model = diffusion.load(str(path), model_folders.folder_digest(path), device="cpu", dtype=torch.float32)
    assert model.text_states([""]).states.abs().sum() > 0
    assert model_kinds.load("sd2").text_states([""]).states.abs().sum() > 0


def test_cutting_and_joining_batches_are_inverse():
    for pooled in (None, torch.randn(6, 5)):
        text = TextStates(torch.randn(6, 7, 4), pooled)
        again = joined(text.chunk(3))
        assert torch.equal(again.states, text.states)
        assert (again.pooled is None) == (pooled is None)
        assert pooled is None or torch.equal(again.pooled, pooled)


def test_another_format_and_other_states_keep_the_rest():
    text = TextStates(torch.randn(2, 7, 4), torch.randn(2, 5))
    half = text.to(torch.bfloat16)
    assert (half.states.dtype, half.pooled.dtype) == (torch.bfloat16, torch.bfloat16)
    longer = text.replaced(torch.zeros(2, 9, 4))
    assert longer.states.shape == (2, 9, 4)
    assert longer.pooled is text.pooled
    assert TextStates(text.states).to(torch.float16).pooled is None


def test_only_the_empty_text_is_empty():
    text = TextStates(torch.ones(2, 3, 4))
    assert text_encoding.without_empty(text, [" ", ""]).states.sum(dim=(1, 2)).tolist() == [12.0, 0.0]

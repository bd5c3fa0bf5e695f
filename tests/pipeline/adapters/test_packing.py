import pytest
import torch

from pipeline.adapters.packing import beside, nothing, pack, unpack

TEXT, LLM = 4, 3


def prompts(tokens=2, seed=0):
    draw = torch.Generator().manual_seed(seed)
    own = torch.tensor([[True] * tokens, [True] * (tokens - 1) + [False]])
    return torch.randn(2, tokens, TEXT, generator=draw), torch.randn(2, tokens, LLM, generator=draw), own


def test_what_is_packed_comes_back_filled_up_to_its_length():
    projected, states, own = prompts()
    found = unpack(pack(projected, states, own, tokens=5), TEXT, LLM)
    assert found.projected.shape == (2, 5, TEXT)
    assert torch.equal(found.projected[0, :2], projected[0])
    assert torch.equal(found.states[1, :1], states[1, :1])
    assert found.own.tolist() == [[True, True, False, False, False], [True, False, False, False, False]]
    assert (found.text, found.told, found.eta) == (None, None, None)


def test_what_is_no_token_is_zero_whatever_stood_there():
    found = unpack(pack(*prompts(), tokens=2), TEXT, LLM)
    assert found.states[1, 1].abs().sum() == 0
    assert found.projected[1, 1].abs().sum() == 0


def test_longer_prompts_are_cut():
    projected, states, own = prompts(tokens=5)
    found = unpack(pack(projected, states, own, tokens=3), TEXT, LLM)
    assert torch.equal(found.states, states[:, :3])
    assert found.own.all()


@pytest.mark.parametrize("tokens", [3, 9])
def test_text_states_lie_beside_with_the_rows_eta(tokens):
    text = torch.randn(2, 7, TEXT)
    packed = pack(*prompts(), tokens=tokens)
    found = unpack(beside(text, packed, 0.25), TEXT, LLM)
    longest = max(7, tokens)
    assert torch.equal(found.text[:, :7], text)
    assert found.told.sum(dim=1).tolist() == [7, 7]
    assert found.own.shape == (2, longest)
    assert found.own.sum(dim=1).tolist() == [2, 1]
    assert found.eta.tolist() == [[[0.25]], [[0.25]]]


def test_nothing_beside_text_states_has_no_token():
    text = torch.randn(2, 7, TEXT)
    found = unpack(beside(text, nothing(text, LLM), 0.0), TEXT, LLM)
    assert not found.own.any()
    assert torch.equal(found.text, text)


def test_plain_text_states_are_told_by_their_width():
    assert unpack(torch.zeros(1, 7, TEXT), TEXT, LLM) is None


def test_another_width_is_refused():
    with pytest.raises(ValueError, match=r"9 features are none of \(4, 8, 14\)"):
        unpack(torch.zeros(1, 7, 9), TEXT, LLM)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_flags_and_eta_survive_the_number_format(dtype):
    text = torch.randn(2, 7, TEXT, dtype=dtype)
    found = unpack(beside(text, pack(*prompts(), tokens=3).to(dtype), 0.5), TEXT, LLM)
    assert found.own.sum(dim=1).tolist() == [2, 1]
    assert found.eta.flatten().tolist() == [0.5, 0.5]

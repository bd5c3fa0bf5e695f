import math

import pytest
import torch
from diffusers.models.attention_processor import Attention

from pipeline.adapters.packing import beside, nothing, pack
from pipeline.adapters.two_branch import Branches, TwoBranches, cross_attentions
from tests.pipeline import tiny_models

CHANNELS, TEXT, LLM, HEADS = 8, 6, 5, 2


def made(seed=0, **factors):
    """A frozen layer with a processor of two branches; the factors are set where they are given."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        attn = Attention(CHANNELS, TEXT, heads=HEADS, dim_head=CHANNELS // HEADS).requires_grad_(False).eval()
        branches = Branches(attn, LLM)
    with torch.no_grad():
        for name, value in factors.items():
            getattr(branches, name).fill_(value)
    processor = TwoBranches(branches, attn.processor, text_width=TEXT, llm_width=LLM)
    attn.set_processor(processor)
    return attn, branches


def prompts(batch=2, tokens=4, seed=1):
    draw = torch.Generator().manual_seed(seed)
    own = torch.arange(tokens).unsqueeze(0) < torch.arange(tokens, tokens - batch, -1).unsqueeze(1)
    return torch.randn(batch, tokens, TEXT, generator=draw), torch.randn(batch, tokens, LLM, generator=draw), own


def hidden(batch=2, places=9):
    return torch.randn(batch, places, CHANNELS, generator=torch.Generator().manual_seed(2))


def attention(x, states, layers):
    """Attention of one row over its real tokens, as it is defined, in float64; layers are to_q, to_k, to_v, to_out."""
    q, k, v, out = layers

    def project(layer, values):
        return values.double() @ layer.weight.double().T + (0 if layer.bias is None else layer.bias.double())

    heads = []
    for part in range(HEADS):
        chosen = slice(part * CHANNELS // HEADS, (part + 1) * CHANNELS // HEADS)
        Q, K, V = (project(layer, values)[:, chosen] for layer, values in ((q, x), (k, states), (v, states)))
        heads.append(torch.softmax(Q @ K.T / math.sqrt(CHANNELS // HEADS), dim=-1) @ V)
    return project(out, torch.cat(heads, dim=-1))


def definition(attn, branches, x, prompts_):
    projected, states, own = prompts_
    frozen = (attn.to_q, attn.to_k, attn.to_v, attn.to_out[0])
    trained = (branches.to_q, branches.to_k, branches.to_v, branches.to_out)
    rows = []
    for row, real in enumerate(own):
        old = attention(x[row], projected[row][real], frozen)
        new = attention(x[row], states[row][real], trained)
        a1, a2, b1, b2 = (getattr(branches, name).item() for name in ("a1", "a2", "b1", "b2"))
        rows.append(old * a1 * math.exp(b1) + new * a2 * math.exp(b2))
    return torch.stack(rows)


FACTORS = {"a1": 0.7, "b1": -0.3, "a2": -1.2, "b2": 0.4}


def test_both_branches_equal_their_definition_in_float64():
    attn, branches = made(**FACTORS)
    found = attn(hidden(), encoder_hidden_states=pack(*prompts(), tokens=6))
    assert torch.allclose(found.double(), definition(attn, branches, hidden(), prompts()), atol=1e-5)


def test_training_starts_with_the_frozen_layer_on_phi_of_c():
    attn, _ = made()
    projected, states, own = prompts(batch=1)
    stock = attn.processor.stock(attn, hidden(1), projected)
    assert torch.allclose(
        attn(hidden(1), encoder_hidden_states=pack(projected, states, own, tokens=4)), stock, atol=1e-6
    )


def test_the_new_branch_starts_with_the_frozen_projections_of_the_picture():
    attn, branches = made()
    assert torch.equal(branches.to_q.weight, attn.to_q.weight)
    assert torch.equal(branches.to_out.bias, attn.to_out[0].bias)
    assert branches.to_q.weight.requires_grad
    assert branches.to_q.weight.data_ptr() != attn.to_q.weight.data_ptr()


def test_plain_text_states_give_the_stock_layer_bit_for_bit():
    attn, _ = made(**FACTORS)
    text = torch.randn(2, 7, TEXT)
    stock = attn.processor.stock(attn, hidden(), text)
    assert torch.equal(attn(hidden(), encoder_hidden_states=text), stock)


@pytest.mark.parametrize("eta", [0.0, 0.25, 1.0])
def test_eta_blends_the_frozen_layer_on_text_states_and_both_branches(eta):
    attn, _ = made(**FACTORS)
    text, packed = torch.randn(2, 7, TEXT), pack(*prompts(), tokens=6)
    stock, adapted = attn(hidden(), encoder_hidden_states=text), attn(hidden(), encoder_hidden_states=packed)
    found = attn(hidden(), encoder_hidden_states=beside(text, packed, eta))
    assert torch.allclose(found, (1 - eta) * stock + eta * adapted, atol=1e-6)


def test_rows_of_one_batch_may_have_different_eta():
    attn, _ = made(**FACTORS)
    text, packed = torch.randn(2, 7, TEXT), pack(*prompts(), tokens=7)
    rows = [beside(text[:1], nothing(text[:1], LLM), 0.0), beside(text[1:], packed[1:], 1.0)]
    found = attn(hidden(), encoder_hidden_states=torch.cat(rows))
    assert torch.allclose(found[:1], attn(hidden()[:1], encoder_hidden_states=text[:1]), atol=1e-6)
    assert torch.allclose(found[1:], attn(hidden()[1:], encoder_hidden_states=packed[1:]), atol=1e-6)


def test_padding_and_neighbours_do_not_change_a_prompt():
    attn, _ = made(**FACTORS)
    projected, states, own = prompts()
    alone = attn(hidden()[1:], encoder_hidden_states=pack(projected[1:, :3], states[1:, :3], own[1:, :3], tokens=3))
    together = attn(hidden(), encoder_hidden_states=pack(projected, states, own, tokens=12))
    assert torch.allclose(together[1:], alone, atol=1e-6)


def test_samples_of_a_batch_do_not_mix_and_a_place_hears_each_token():
    attn, _ = made(**FACTORS)
    projected, states, own = prompts()
    before = attn(hidden(), encoder_hidden_states=pack(projected, states, own, tokens=4))
    for token in range(3):
        changed = states.clone()
        changed[1, token] += 1.0
        after = attn(hidden(), encoder_hidden_states=pack(projected, changed, own, tokens=4))
        assert torch.equal(before[0], after[0])
        assert not torch.allclose(before[1], after[1])


def test_gradients_reach_all_that_is_trained_and_phi_and_nothing_frozen():
    attn, branches = made(**FACTORS)
    projected, states, own = prompts()
    inputs = [value.requires_grad_() for value in (projected, states)]
    attn(hidden(), encoder_hidden_states=pack(*inputs, own, tokens=4)).square().sum().backward()
    assert [name for name, value in branches.named_parameters() if not value.grad.abs().sum() > 0] == []
    assert all(value.grad[own].abs().sum() > 0 for value in inputs)
    assert all(value.grad is None for value in attn.parameters())


def test_the_untrained_new_branch_is_reached_through_a2():
    attn, branches = made()
    attn(hidden(), encoder_hidden_states=pack(*prompts(), tokens=4)).square().sum().backward()
    reached = {name for name, value in branches.named_parameters() if value.grad.abs().sum() > 0}
    assert reached == {"a1", "b1", "a2"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_runs_in_the_unets_number_format_with_weights_in_float32(dtype):
    exact = made(**FACTORS)[0](hidden(), encoder_hidden_states=pack(*prompts(), tokens=4))
    attn, branches = made(**FACTORS)
    attn.to(dtype)
    found = attn(hidden().to(dtype), encoder_hidden_states=pack(*prompts(), tokens=4).to(dtype))
    assert found.dtype == dtype
    assert torch.allclose(found.float(), exact, atol=0.05)
    assert branches.to_q.weight.dtype == torch.float32


def test_a_mask_beside_a_packed_condition_is_refused():
    attn, _ = made()
    with pytest.raises(ValueError, match="give no encoder_attention_mask"):
        attn(hidden(), encoder_hidden_states=pack(*prompts(), tokens=4), attention_mask=torch.zeros(2, 1, 4))


def test_the_cross_attentions_of_a_unet_are_found_and_no_self_attention():
    unet = tiny_models.load().unet
    found = dict(cross_attentions(unet))
    assert len(found) == sum(name.endswith("attn2.processor") for name in unet.attn_processors)
    assert all(part.is_cross_attention for part in found.values())

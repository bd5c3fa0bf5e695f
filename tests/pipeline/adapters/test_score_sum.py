import pytest
import torch

from pipeline.adapters.score_sum import LlmDiffParams, ScoreSum, block_sum

BASE = {"g_start": 1.0, "h_start": 1e-2, "max_tokens": 6}
BLOCKS, WIDTH = 4, 3


def states(batch=2, tokens=5, seed=0, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn((2, batch, tokens, BLOCKS + 1, WIDTH), generator=draw).to(dtype)


def encoder(**changes):
    return ScoreSum(LlmDiffParams(**BASE | changes), BLOCKS)


def definition(context, alone, g, h=None, eps=None):
    """The formula as the paper has it, block by block, in float64; eps (blocks, B, T, d)."""
    context, alone, g = context.double(), alone.double(), g.double()
    c = context[:, :, 0].clone()
    for t in range(1, BLOCKS + 1):
        in_context = context[:, :, t] - context[:, :, t - 1]
        by_itself = alone[:, :, t] - alone[:, :, t - 1]
        c += g[t - 1] * (in_context - by_itself)
        if eps is not None:
            c += (2 * h.double()[t - 1]).sqrt() * eps[t - 1].double()
    return c


def test_the_sum_equals_its_definition_in_float64():
    context, alone = states()
    g = torch.tensor([0.5, -1.0, 2.0, 0.25])
    assert torch.allclose(block_sum(context, alone, g).double(), definition(context, alone, g), atol=1e-6)


def test_gradients_of_g_equal_the_definitions():
    context, alone = states()
    g, exact = (
        torch.tensor([0.5, -1.0, 2.0, 0.25], dtype=kind, requires_grad=True) for kind in (torch.float, torch.double)
    )
    block_sum(context, alone, g).square().sum().backward()
    definition(context, alone, exact).square().sum().backward()
    assert torch.allclose(g.grad.double(), exact.grad, rtol=1e-4)


def test_equal_g_leave_the_embedding_and_what_the_context_did():
    context, alone = states()
    alone[:, :, 0] = context[:, :, 0]  # the same token enters the first block
    c = encoder()(context, alone)
    assert torch.allclose(c, context[:, :, 0] + context[:, :, -1] - alone[:, :, -1], atol=1e-6)


def test_a_token_that_its_context_does_nothing_to_is_its_embedding_whatever_g_is():
    context, _ = states()
    found = block_sum(context, context, torch.tensor([3.0, -2.0, 1.0, 0.5]))
    assert torch.equal(found, context[:, :, 0])


def test_states_in_float16_are_summed_in_float32():
    context, alone = states(dtype=torch.float16)
    g = torch.tensor([0.5, -1.0, 2.0, 0.25])
    assert torch.allclose(block_sum(context, alone, g).double(), definition(context, alone, g), atol=1e-6)


def test_autocast_does_not_round_states_away():
    context, alone = states()
    made = encoder()
    exact = made(context, alone)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(made(context, alone), exact)


@torch.no_grad()
def test_noise_has_the_variance_that_the_noises_of_all_blocks_have_together():
    context, alone = states(batch=1, tokens=1)
    made = encoder()
    made.s.copy_(torch.tensor([0.0, 1.0, -1.0, 0.5]))
    draw = torch.Generator().manual_seed(3)
    many = torch.randn((BLOCKS, 20_000, 1, WIDTH), generator=draw)
    wide = [value.expand(20_000, -1, -1, -1) for value in (context, alone)]
    exact = definition(*wide, made.g, made.h, many)
    ours = made.train()(*wide, many[0])
    assert ours.double().var(dim=0) == pytest.approx(exact.var(dim=0), rel=0.05)
    assert ours.double().mean(dim=0) == pytest.approx(exact.mean(dim=0), abs=0.01)
    variance = float(2 * made.h.sum())
    assert variance == pytest.approx(2e-2 * (1 + 2.718282 + 0.367879 + 1.648721), rel=1e-5)
    assert float((ours - made(*wide)).var()) == pytest.approx(variance, rel=0.05)


def test_noise_is_added_in_training_only():
    context, alone = states()
    eps = torch.ones(2, 5, WIDTH)
    made = encoder()
    quiet = made(context, alone)
    assert torch.equal(made.eval()(context, alone, eps), quiet)
    assert not torch.allclose(made.train()(context, alone, eps), quiet)


def test_h_starts_where_it_is_set_and_no_step_makes_it_negative():
    made = encoder(h_start=0.25)
    assert made.h.tolist() == [0.25] * BLOCKS
    with torch.no_grad():
        made.s.sub_(50.0)
    assert (made.h >= 0).all()


def test_each_scalar_gets_a_gradient():
    context, alone = states()
    made = encoder().train()
    made(context, alone, torch.ones(2, 5, WIDTH)).square().sum().backward()
    assert all(float(value.grad.abs().min()) > 0 for value in (made.g, made.s))


def test_padding_does_not_change_a_token():
    context, alone = states()
    longer = torch.zeros(2, 2, 3, BLOCKS + 1, WIDTH)
    padded = (torch.cat([value, more], dim=1) for value, more in zip((context, alone), longer, strict=True))
    made = encoder()
    assert torch.equal(made(*padded)[:, :5], made(context, alone))


@pytest.mark.parametrize("wrong", [(2, 4, BLOCKS + 1, WIDTH), (2, 5, BLOCKS, WIDTH)])
def test_states_of_another_shape_are_refused(wrong):
    context, _ = states()
    with pytest.raises(ValueError, match="must be one"):
        block_sum(context, torch.zeros(wrong), torch.ones(BLOCKS))
    with pytest.raises(ValueError, match=r"must be one \(B, T, 4, d\)"):
        block_sum(context, context, torch.ones(BLOCKS - 1))

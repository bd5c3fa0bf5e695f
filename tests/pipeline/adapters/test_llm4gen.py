import pytest
import torch

from pipeline.adapters import kinds
from pipeline.adapters.llm4gen import CrossAdapter
from pipeline.adapters.settings import AdapterParams
from tests.pipeline.adapters.test_sur import BASE

WIDTH, LLM_WIDTH, TOKENS = 8, 6, 6


def made(llm4gen=None, width=WIDTH, llm_width=LLM_WIDTH, **changes):
    sub = {**BASE["llm4gen"], **(llm4gen or {})}
    return CrossAdapter(
        AdapterParams(**{**BASE, "kind": "llm4gen", "llm4gen": sub, **changes}), width=width, llm_width=llm_width
    )


def inputs(batch=3, tokens=5):
    draw = torch.Generator().manual_seed(0)
    return torch.randn(batch, tokens, WIDTH, generator=draw), torch.randn(batch, TOKENS, LLM_WIDTH, generator=draw)


def by_hand(adapter, c_t, c_l, eta):
    """The released module's formulas in float64, head by head and without any torch layer."""
    w = {name: value.double() for name, value in adapter.state_dict().items()}
    c_t, c_l = c_t.double(), c_l.double()

    def linear(name, x):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(name, x):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    l = linear("project", c_l)  # noqa: E741
    q, k, v = linear("query", norm("norm_llm", l)), *(linear(name, norm("norm_text", c_t)) for name in ("key", "value"))
    size = c_t.shape[-1] // adapter.heads
    heads = []
    for head in range(adapter.heads):
        part = slice(head * size, (head + 1) * size)
        logits = q[..., part] @ k[..., part].transpose(1, 2) / size**0.5
        weights = logits.exp() / logits.exp().sum(-1, keepdim=True)
        heads.append(weights @ v[..., part])
    l = l + linear("out", torch.cat(heads, -1))  # noqa: E741
    hidden = linear("feed_forward.0", norm("norm_hidden", l))
    l = l + linear("feed_forward.2", hidden / (1 + (-1.702 * hidden).exp()))  # noqa: E741
    return torch.cat([c_t, eta * l], 1)


@pytest.mark.parametrize("eta", [None, 0.3, 1.0])
def test_the_condition_equals_its_definition_in_float64(eta):
    adapter, (c_t, c_l) = made(eta=0.5), inputs()
    draw = torch.Generator().manual_seed(0)
    for parameter in adapter.parameters():  # no two alike: a projection in another's place is seen
        torch.nn.init.normal_(parameter, generator=draw)
    got = adapter(c_t, c_l, eta=eta)
    want = by_hand(adapter, c_t, c_l, 0.5 if eta is None else eta)
    assert got.shape == (3, 5 + TOKENS, WIDTH)
    assert torch.allclose(got.double(), want, rtol=1e-4, atol=1e-4)


def test_the_released_size_is_8_66_million_parameters():
    """With T5-XL's states of width 2048; 8 heads of 96."""
    adapter = made({"tokens": 256, "heads": 8}, width=768, llm_width=2048)
    count = sum(parameter.numel() for parameter in adapter.parameters())
    assert count == 8_663_040
    assert round(count / 1e6, 2) == 8.66
    assert adapter.width // adapter.heads == 96


def test_projections_start_as_released():
    adapter = made({"heads": 8}, width=768, llm_width=32)
    for layer in (adapter.query, adapter.key, adapter.value, adapter.out):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert not layer.bias.any()


def test_the_first_tokens_are_the_text_states_bit_for_bit():
    c_t, c_l = inputs()
    assert torch.equal(made()(c_t, c_l)[:, :5], c_t)


def test_eta_zero_gives_the_text_states_alone_bit_for_bit():
    c_t, c_l = inputs()
    adapter = made(eta=0.5)
    assert torch.equal(adapter(c_t, c_l, eta=0.0), c_t)
    assert torch.equal(kinds.condition(adapter, c_t, c_l, eta=0.0), c_t)


def test_samples_of_a_batch_do_not_mix():
    adapter, (c_t, c_l) = made(), inputs()
    together = adapter(c_t, c_l)
    for row in range(3):
        assert torch.allclose(adapter(c_t[row : row + 1], c_l[row : row + 1])[0], together[row], atol=1e-6)


def test_every_llm_token_sees_all_text_tokens():
    adapter, (c_t, c_l) = made(), inputs()
    before = adapter(c_t, c_l)
    c_t[:, 2, 0] += 1.0
    changed = (adapter(c_t, c_l) - before).abs().sum(-1) > 0
    assert changed[:, 5:].all()


def test_its_start_is_a_function_of_the_seed_alone():
    torch.manual_seed(1)
    one = made(seed=3).state_dict()
    torch.manual_seed(2)
    other, third = made(seed=3).state_dict(), made(seed=4).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["project.weight"], third["project.weight"])


def test_states_of_another_length_or_width_are_refused():
    c_t, c_l = inputs()
    with pytest.raises(ValueError, match=r"LLM states \(3, 4, 6\) must be \(B, 6, 6\)"):
        made()(c_t, c_l[:, :4])
    with pytest.raises(ValueError, match="3 heads do not divide the text encoder's width 8"):
        made({"heads": 3})


def test_without_the_llms_states_there_is_no_condition():
    with pytest.raises(ValueError, match="kind llm4gen needs the LLM's states"):
        kinds.condition(made(), inputs()[0])

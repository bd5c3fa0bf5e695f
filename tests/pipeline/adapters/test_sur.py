import pytest
import torch
from pydantic import ValidationError

from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter

BASE = {
    "kind": "sur",
    "compat": "none",
    "official_checkpoint": None,
    "eta": 0.25,
    "mixing": "paper",
    "h3": "transformer",
    "depth": 2,
    "heads": 2,
    "feed_forward": 2.0,
    "dropout": 0.0,
    "g_init": "zero",
    "seed": 0,
    "llm4gen": {"tokens": 6, "heads": 2},
    "llmdiff": {"g_start": 1.0, "h_start": 1e-2, "max_tokens": 6},
}


def made(w0_seed=0, **changes):
    return SurAdapter(AdapterParams(**{**BASE, **changes}), width=8, llm_width=6, w0_seed=w0_seed)


def states(batch=3, tokens=5):
    return torch.randn(batch, tokens, 8, generator=torch.Generator().manual_seed(0))


def test_an_untrained_adapter_only_scales():
    assert torch.equal(made()(states()).condition, 0.75 * states())


def test_an_untrained_residual_adapter_is_the_identity():
    assert torch.equal(made(mixing="residual")(states()).condition, states())


@pytest.mark.parametrize("mixing", ["paper", "residual"])
def test_eta_zero_gives_the_text_states_bit_for_bit(mixing):
    x = states()
    assert torch.equal(made(mixing=mixing, g_init="normal")(x, eta=0.0).condition, x)


def test_eta_is_a_dial_between_the_text_states_and_the_adapters_word():
    adapter, x = made(g_init="normal"), states()
    whole = adapter(x, eta=1.0).condition
    assert torch.allclose(adapter(x, eta=0.5).condition, 0.5 * whole + 0.5 * x)
    assert torch.equal(adapter(x).condition, adapter(x, eta=0.25).condition)


def test_the_equations_hold_as_written():
    adapter, x = made(h3="linear", g_init="normal"), states()
    Q, K, V = adapter.query(x), adapter.h2(x), x
    rows = []
    for sample in range(3):
        attention = torch.softmax(Q[sample] @ K[sample].T / 8**0.5, dim=-1)
        both = attention @ V[sample] + V[sample]
        rows.append(0.25 * adapter.g(both + adapter.h1(both)) + 0.75 * x[sample])
    got = adapter(x)
    assert torch.allclose(got.condition, torch.stack(rows), atol=1e-6)
    assert torch.equal(got.query, Q)
    assert torch.equal(got.hidden, x)


def test_samples_of_a_batch_do_not_mix():
    adapter, x = made(g_init="normal"), states()
    changed = x.clone()
    changed[1] += 1.0
    before, after = adapter(x), adapter(changed)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one[[0, 2]], other[[0, 2]])
        assert not torch.allclose(one[1], other[1])


def test_a_token_sees_the_others():
    adapter, x = made(g_init="normal"), states()
    changed = x.clone()
    changed[0, 4] += 1.0
    before, after = adapter(x), adapter(changed)
    assert not torch.allclose(before.condition[0, 0], after.condition[0, 0])
    assert not torch.allclose(before.query[0, 0], after.query[0, 0])


@pytest.mark.parametrize("h3", ["transformer", "linear"])
def test_each_parameter_gets_a_gradient_from_the_condition(h3):
    adapter = made(h3=h3, g_init="kaiming")
    adapter(states()).condition.square().sum().backward()
    # Keys' bias shifts all logits of a query alike, which softmax does not see.
    silent = [name for name, value in adapter.named_parameters() if value.grad is None]
    still = [name for name, value in adapter.named_parameters() if name != "h2.bias" and not value.grad.abs().sum() > 0]
    assert (silent, still) == ([], [])


def test_the_same_seed_gives_the_same_adapter_and_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    first = made(seed=3)
    after = torch.rand(1)
    torch.manual_seed(7)
    second, third = made(seed=3), made(seed=4)
    assert torch.equal(after, torch.rand(1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.query.weight, third.query.weight)


def test_the_layers_of_h3_start_differently():
    one, other = made().transformer.layers
    assert not torch.equal(one.linear1.weight, other.linear1.weight)


def test_w0_is_seeded_frozen_and_saved():
    adapter = made(w0_seed=1)
    assert torch.equal(adapter.projection, made(w0_seed=1, seed=9).projection)
    assert not torch.equal(adapter.projection, made(w0_seed=2).projection)
    assert "projection" in adapter.state_dict()
    assert "projection" not in dict(adapter.named_parameters())
    vectors = torch.randn(4, 6)
    assert torch.allclose(adapter.teacher(vectors), vectors @ adapter.projection.T)
    assert not adapter.teacher(vectors).requires_grad


def test_standardised_vectors_have_mean_zero_and_deviation_one():
    adapter = made()
    vectors = torch.randn(50, 6) * torch.tensor([1.0, 10.0, 100.0, 1.0, 1.0, 0.0]) + 5.0
    adapter.standardise(vectors)
    scaled = (vectors - adapter.llm_mean) / adapter.llm_deviation
    assert torch.allclose(scaled.mean(0), torch.zeros(6), atol=1e-4)
    assert torch.allclose(scaled[:, :5].std(0, correction=0), torch.ones(5), atol=1e-4)
    assert torch.equal(adapter.llm_deviation[5], torch.tensor(1.0))  # a constant dimension is left unscaled


@pytest.mark.parametrize("init", ["kaiming", "xavier", "normal"])
def test_g_may_start_at_random_with_its_bias_at_zero(init):
    adapter = made(g_init=init)
    assert adapter.g.weight.abs().sum() > 0
    assert adapter.g.bias.abs().sum() == 0


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="3 heads do not divide"):
        made(heads=3)


def test_inference_does_not_depend_on_dropout():
    adapter = made(dropout=0.5, g_init="normal").eval()
    assert torch.equal(adapter(states()).condition, adapter(states()).condition)


FILE = {"path": "adapter.pt", "sha256": "0" * 64}
OFFICIAL = {"compat": "official", "official_checkpoint": FILE, "heads": 8}


def test_the_authors_weights_need_a_file_and_the_authors_network():
    assert AdapterParams(**{**BASE, **OFFICIAL}).official_checkpoint.path == "adapter.pt"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"official_checkpoint": None}, "official_checkpoint\n .*must be {path: ..., sha256: ...}"),
        ({"compat": "none"}, r"official_checkpoint\n .*is read with adapter\.compat: official only"),
        ({"mixing": "residual"}, r"mixing\n .*must be paper with adapter\.compat: official"),
        ({"h3": "linear"}, r"h3\n .*must be transformer with adapter\.compat: official"),
        ({"depth": 3}, r"depth\n .*must be 2 with adapter\.compat: official"),
        ({"heads": 4}, r"heads\n .*must be 8 with adapter\.compat: official"),
        ({"official_checkpoint": {"path": "a", "sha256": "ABC"}}, r"sha256\n .*should match pattern"),
    ],
)
def test_settings_that_contradict_the_authors_weights_are_refused_by_name(changes, message):
    with pytest.raises(ValidationError, match=message):
        AdapterParams(**{**BASE, **OFFICIAL, **changes})

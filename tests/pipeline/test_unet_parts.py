import pytest
import torch

from pipeline import unet_parts
from tests.pipeline import tiny_models


@pytest.fixture
def unet():
    return tiny_models.load().unet


def values(unet):
    return {name: parameter.detach().clone() for name, parameter in unet.named_parameters()}


def moved(unet, chosen):
    return {name: unet.get_parameter(name).detach() + 0.5 for name in chosen}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_cross_attention_is_what_takes_the_text(unet):
    chosen = unet_parts.names(unet, "cross_attention")
    attentions = {name for name, module in unet.named_modules() if getattr(module, "is_cross_attention", False)}
    owners = {owner for owner in attentions for name in chosen if name.startswith(f"{owner}.")}
    assert attentions == owners != set()
    assert all(any(name.startswith(f"{owner}.") for owner in attentions) for name in chosen)


def test_frozen_is_nothing_and_full_is_all(unet):
    assert unet_parts.names(unet, "frozen") == []
    assert unet_parts.names(unet, "full") == [name for name, _ in unet.named_parameters()]


def test_only_what_is_named_is_unfrozen_and_becomes_float32():
    unet = tiny_models.load(torch.bfloat16).unet
    chosen = unet_parts.names(unet, "cross_attention")
    got = unet_parts.unfrozen(unet, chosen)
    for name, parameter in unet.named_parameters():
        assert parameter.requires_grad == (name in chosen)
        assert parameter.dtype == (torch.float32 if name in chosen else torch.bfloat16)
    assert all(got[name] is unet.get_parameter(name) for name in chosen)


def test_other_values_last_as_long_as_the_block_even_if_it_fails(unet):
    before = values(unet)
    chosen = unet_parts.names(unet, "cross_attention")
    wanted = moved(unet, chosen)
    with pytest.raises(KeyboardInterrupt), unet_parts.swapped(unet, wanted):
        assert all(torch.equal(unet.get_parameter(name), wanted[name]) for name in chosen)
        raise KeyboardInterrupt
    assert same(before, values(unet))


def test_swapped_values_take_the_models_number_format_and_layout():
    unet = tiny_models.load(torch.bfloat16).unet.to(memory_format=torch.channels_last)
    name = next(name for name, parameter in unet.named_parameters() if parameter.dim() == 4)
    own = unet.get_parameter(name)
    with unet_parts.swapped(unet, {name: own.detach().float().contiguous()}):
        assert unet.get_parameter(name).dtype == torch.bfloat16
        assert unet.get_parameter(name).stride() == own.stride()


@pytest.mark.parametrize(("eta", "share"), [(0.1, 0.25), (0.2, 0.5), (0.4, 1.0), (0.8, 1.0)])
def test_the_dial_mixes_base_and_trained_up_to_the_trained_eta(unet, eta, share):
    chosen = unet_parts.names(unet, "cross_attention")
    trained = moved(unet, chosen)
    mixed = unet_parts.blended(unet, trained, eta=eta, trained_eta=0.4)
    for name in chosen:
        base = unet.get_parameter(name).double()
        want = base + share * (trained[name].double() - base)
        assert torch.allclose(mixed[name].double(), want, atol=1e-6)
        if share == 1.0:
            assert torch.equal(mixed[name], trained[name])


def test_eta_zero_touches_nothing(unet):
    trained = moved(unet, unet_parts.names(unet, "full"))
    assert unet_parts.blended(unet, trained, eta=0.0, trained_eta=0.4) == {}


def test_copies_are_not_the_models_own(unet):
    chosen = unet_parts.names(unet, "cross_attention")
    kept = unet_parts.copied(unet, chosen)
    before = values(unet)
    for value in kept.values():
        value.zero_()
    assert same(before, values(unet))

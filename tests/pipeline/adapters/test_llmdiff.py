import pytest
import torch

from pipeline.adapters.llmdiff import Blocks, LlmDiffAdapter, detach, empty
from pipeline.adapters.packing import unpack
from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.two_branch import TwoBranches, cross_attentions
from pipeline.text_encoding import TextStates
from tests.pipeline import tiny_models
from tests.pipeline.adapters.test_sur import BASE

BLOCKS, LLM_WIDTH = 3, 5
TEXTS = ("a red square", "a blue square")


def made(unet, seed=0, eta=1.0):
    chosen = AdapterParams(**BASE | {"kind": "llmdiff", "eta": eta, "seed": seed})
    return LlmDiffAdapter(chosen, unet, llm_width=LLM_WIDTH, blocks=BLOCKS)


def prompts(batch=2, tokens=4, seed=0):
    draw = torch.Generator().manual_seed(seed)
    context, alone = torch.randn((2, batch, tokens, BLOCKS + 1, LLM_WIDTH), generator=draw)
    own = torch.arange(tokens).unsqueeze(0) < torch.arange(tokens, tokens - batch, -1).unsqueeze(1)
    return Blocks(context, alone, own)


def spoken(adapter):
    """The adapter as training makes it: every part has some effect."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in adapter.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=draw))
    return adapter


def said(model, condition):
    noise = torch.randn(len(condition), 4, 8, 8, generator=torch.Generator().manual_seed(1))
    return model.predict(noise, torch.full((len(condition),), 500), TextStates(condition))


@pytest.fixture
def model():
    return tiny_models.load()


def test_eta_zero_is_the_untouched_base_model_bit_for_bit(model):
    text = model.text_states(TEXTS).states
    before = said(model, text)
    adapter = spoken(made(model.unet)).eval()
    adapter.attach(model.unet)
    condition = adapter(prompts(), text=text, eta=0.0)
    assert torch.equal(condition, text)
    assert torch.equal(said(model, condition), before)


def test_what_a_processor_stands_before_is_the_layers_own_and_comes_back(model):
    before = {name: part.processor for name, part in cross_attentions(model.unet)}
    adapter = made(model.unet)
    for _ in range(2):  # twice is once
        adapter.attach(model.unet)
        assert all(part.processor.stock is before[name] for name, part in cross_attentions(model.unet))
    detach(model.unet)
    detach(model.unet)
    assert {name: part.processor for name, part in cross_attentions(model.unet)} == before


def test_it_adds_no_weight_to_the_unet(model):
    names = set(model.unet.state_dict())
    made(model.unet).attach(model.unet)
    assert set(model.unet.state_dict()) == names
    assert not any(value.requires_grad for value in model.unet.parameters())


def test_the_text_encoder_is_not_needed_at_eta_one(model):
    adapter = spoken(made(model.unet))
    adapter.attach(model.unet)
    alone = adapter(prompts())
    assert alone.shape == (2, 6, tiny_models.WIDTH + LLM_WIDTH + 1)
    assert torch.equal(adapter(prompts(), text=model.text_states(TEXTS).states), alone)
    assert said(model, alone).isfinite().all()
    with pytest.raises(ValueError, match=r"eta 0.5 needs the base model's text states"):
        adapter(prompts(), eta=0.5)


def test_eta_between_leads_from_the_base_model_to_the_adapted_one(model):
    adapter, text = spoken(made(model.unet, eta=0.5)), model.text_states(TEXTS).states
    adapter.attach(model.unet)
    with torch.no_grad():
        base, whole = said(model, text), said(model, adapter(prompts(), eta=1.0))
        near, far = (said(model, adapter(prompts(), text=text, eta=eta)) for eta in (1e-3, 1 - 1e-3))
        assert torch.equal(adapter(prompts(), text=text), adapter(prompts(), text=text, eta=0.5))
    assert torch.allclose(near, base, atol=1e-2)
    assert torch.allclose(far, whole, atol=1e-2)
    assert not torch.allclose(base, whole, atol=1e-2)


def test_an_unadapted_row_beside_an_adapted_one_is_the_base_model(model):
    adapter, text = spoken(made(model.unet)), model.text_states(TEXTS).states
    adapter.attach(model.unet)
    with torch.no_grad():
        rows = [adapter.unadapted(text[:1]), adapter(prompts(), text=text, eta=0.75)[1:]]
        found = said(model, torch.cat(rows))
        assert torch.allclose(found[:1], said(model, text)[:1], atol=1e-5)


def test_an_unadapted_row_may_stand_beside_one_of_eta_one(model):
    adapter, text = spoken(made(model.unet)), model.text_states(TEXTS).states
    adapter.attach(model.unet)
    whole = adapter(prompts())
    wide = adapter.beside(whole, text)
    with torch.no_grad():
        assert torch.allclose(said(model, wide), said(model, whole), atol=1e-5)
        mixed = said(model, torch.cat([adapter.unadapted(text[:1]), wide[1:]]))
        assert torch.allclose(mixed[:1], said(model, text)[:1], atol=1e-5)


def test_samples_of_a_batch_do_not_mix_and_a_prompt_does_not_hear_its_padding(model):
    adapter = spoken(made(model.unet))
    adapter.attach(model.unet)
    whole = prompts()
    alone = Blocks(*(part[1:, :3] for part in whole))
    with torch.no_grad():
        together = said(model, adapter(whole))
        # Noise is the same in each row's place only.
        noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))[1:]
        apart = model.predict(noise, torch.tensor([500]), TextStates(adapter(alone)))
        assert torch.allclose(together[1:], apart, atol=1e-5)
        changed = Blocks(whole.context.clone(), whole.alone, whole.own)
        changed.context[1, 0, 1:] += 1.0
        after = said(model, adapter(changed))
    assert torch.equal(after[0], together[0])
    assert not torch.allclose(after[1], together[1])


def test_each_trained_parameter_gets_a_gradient_through_the_unet_and_no_frozen_one(model):
    adapter = spoken(made(model.unet)).train()
    adapter.attach(model.unet)
    said(model, adapter(prompts(), eps=torch.ones(2, 4, LLM_WIDTH))).square().sum().backward()
    assert [name for name, value in adapter.named_parameters() if not value.grad.abs().sum() > 0] == []
    assert all(value.grad is None for value in model.unet.parameters())


def test_gradient_checkpointing_gives_the_same_gradients(model):
    adapter = spoken(made(model.unet))
    adapter.attach(model.unet)
    grads = []
    for _ in range(2):
        adapter.zero_grad()
        said(model, adapter(prompts())).square().sum().backward()
        grads.append([value.grad.clone() for value in adapter.parameters() if value.grad is not None])
        model.unet.train()
        model.unet.enable_gradient_checkpointing()
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(*grads, strict=True))


def test_the_empty_text_is_a_token_of_zeros_that_says_phis_bias(model):
    adapter = spoken(made(model.unet))
    found = unpack(adapter(empty(2, BLOCKS, LLM_WIDTH)), tiny_models.WIDTH, LLM_WIDTH)
    assert found.own.sum(dim=1).tolist() == [1, 1]
    assert found.states.abs().sum() == 0
    assert torch.allclose(found.projected[:, 0], adapter.phi.bias.expand(2, -1))


def test_noise_is_heard_in_training_only(model):
    adapter, eps = spoken(made(model.unet)), torch.ones(2, 4, LLM_WIDTH)
    quiet = adapter(prompts())
    assert torch.equal(adapter.eval()(prompts(), eps=eps), quiet)
    assert not torch.allclose(adapter.train()(prompts(), eps=eps), quiet)


def test_the_same_seed_gives_the_same_adapter_and_leaves_the_global_generator_alone(model):
    torch.manual_seed(7)
    first = made(model.unet, seed=3)
    after = torch.rand(1)
    torch.manual_seed(7)
    second, third = made(model.unet, seed=3), made(model.unet, seed=4)
    assert torch.equal(after, torch.rand(1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.phi.weight, third.phi.weight)


def test_saved_weights_come_back(model):
    adapter = spoken(made(model.unet))
    other = made(model.unet, seed=9)
    other.load_state_dict(adapter.state_dict())
    assert torch.equal(adapter(prompts()), other(prompts()))


def test_prompts_move_to_a_device_as_they_are_stored():
    stored = Blocks(*(part.half() if part.is_floating_point() else part for part in prompts()))
    assert stored.to("meta").context.dtype == torch.float16


def test_all_processors_share_the_adapters_layers(model):
    adapter = made(model.unet)
    adapter.attach(model.unet)
    found = [part.processor for _, part in cross_attentions(model.unet)]
    assert all(isinstance(each, TwoBranches) for each in found)
    assert {id(each.branches) for each in found} == {id(part) for part in adapter.layers.values()}

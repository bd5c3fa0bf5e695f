import dataclasses

import pytest
import torch

from pipeline.adapters.llmdiff import Blocks, LlmDiffAdapter, empty
from pipeline.adapters.packing import unpack
from pipeline.branched_encoding import BranchedEncoder
from pipeline.sampling import Denoising, generate
from pipeline.training_examples import training_batch
from pipeline.training_objective import batch_losses
from tests.pipeline import model_kinds, tiny_models
from tests.pipeline.adapters.test_llmdiff import BLOCKS, LLM_WIDTH, made, spoken
from tests.pipeline.training_setup import examples

TEXT = "a red square"


def read(text):
    """States that a text decides."""
    if not text:
        return empty(1, BLOCKS, LLM_WIDTH)
    draw = torch.Generator().manual_seed(sum(map(ord, text)))
    context, alone = torch.randn((2, 1, len(text.split()), BLOCKS + 1, LLM_WIDTH), generator=draw)
    return Blocks(context, alone, torch.ones(1, len(text.split()), dtype=torch.bool))


@pytest.fixture
def model():
    return tiny_models.load()


def encoder(model, eta=1.0):
    adapter = spoken(made(model.unet)).eval()
    adapter.attach(model.unet)
    return BranchedEncoder(model, adapter, read, eta=eta)


def predicted(model, condition):
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    return model.predict(noise, torch.tensor([500]), condition)


@pytest.mark.parametrize("adapt_negative", [True, False])
def test_eta_zero_gives_text_states(model, adapt_negative):
    negative, prompt = encoder(model, eta=0.0).pair("", TEXT, adapt_negative=adapt_negative)
    assert torch.equal(negative.states, model.text_states([""]).states)
    assert torch.equal(prompt.states, model.text_states([TEXT]).states)


@pytest.mark.parametrize("adapt_negative", [True, False])
@pytest.mark.parametrize("eta", [0.25, 1.0])
def test_both_rows_have_the_same_features_and_the_prompt_says_the_same_either_way(model, eta, adapt_negative):
    made_ = encoder(model, eta)
    negative, prompt = made_.pair("", TEXT, adapt_negative=adapt_negative)
    assert negative.states.shape == prompt.states.shape
    x = model.text_states([TEXT])
    direct = made_.adapter(read(TEXT), None, x.states, eta=eta)
    assert torch.allclose(predicted(model, prompt), predicted(model, x.replaced(direct)), atol=1e-5)


def test_a_negative_prompt_that_is_not_adapted_is_the_base_models(model):
    negative, _ = encoder(model).pair("a blue square", TEXT, adapt_negative=False)
    base = predicted(model, model.text_states(["a blue square"]))
    assert torch.allclose(predicted(model, negative), base, atol=1e-5)


def test_an_adapted_negative_prompt_goes_through_the_llm(model):
    made_ = encoder(model)
    negative, prompt = made_.pair(TEXT, TEXT, adapt_negative=True)
    assert torch.equal(negative.states, prompt.states)
    blank, _ = made_.pair("", TEXT, adapt_negative=True)
    found = unpack(blank.states, tiny_models.WIDTH, LLM_WIDTH)
    assert torch.allclose(found.projected[0, 0], made_.adapter.phi.bias)


def test_at_eta_one_no_text_encoder_runs(model):
    silent = dataclasses.replace(model, text_encoder=NoEncoder())
    _, prompt = encoder(silent).pair("", TEXT, adapt_negative=True)
    assert predicted(silent, prompt).isfinite().all()


class NoEncoder:
    """Knows its number format, and fails when it is asked for anything else."""

    dtype = torch.float32


def test_the_trained_eta_is_taken_where_none_is_given(model):
    assert BranchedEncoder(model, made(model.unet, eta=0.75), read, eta=None).eta == 0.75


@pytest.mark.parametrize("states", [None, lambda text: torch.zeros(1, 2, LLM_WIDTH)])
def test_without_the_states_of_all_blocks_it_says_so(model, states):
    with pytest.raises(ValueError, match="needs the LLM's states of all blocks"):
        BranchedEncoder(model, made(model.unet), states, eta=None).pair("", TEXT, adapt_negative=True)


@pytest.mark.parametrize("kind", model_kinds.KINDS)
@pytest.mark.parametrize("adapt_negative", [True, False])
@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_stable_diffusion_2_and_xl_are_drawn_with_too(kind, eta, adapt_negative):
    own = model_kinds.load(kind)
    adapter = spoken(made(own.unet)).eval()
    settings = Denoising(2, 4.0, "ddim", adapt_negative=adapt_negative)
    options = {"diffusion": own, "adapter": adapter, "config": settings, "llm_states": read}
    base, none = generate(TEXT, 1, eta=0.0, **options)
    same, adapted = generate(TEXT, 1, eta=eta, **options)
    assert base.tobytes() == none.tobytes() == same.tobytes() != adapted.tobytes()


def test_what_sdxl_pools_is_the_text_encoders_own_word():
    own = model_kinds.load("sdxl")
    negative, prompt = encoder(own).pair("", TEXT, adapt_negative=True)
    assert torch.equal(prompt.pooled, own.text_states([TEXT]).pooled)
    assert torch.equal(negative.pooled, own.text_states([""]).pooled)


def test_a_step_on_sdxl_hears_what_it_pools():
    own = model_kinds.load("sdxl")
    batch = training_batch(examples(4, kind="llmdiff"), [0, 3], [1, 2], 1000)
    adapter = LlmDiffAdapter(made(own.unet).config, own.unet, llm_width=tiny_models.LLM_WIDTH, blocks=3)
    adapter.attach(own.unet)
    terms = batch_losses(adapter, adapter, own, batch, None)
    terms["total"].backward()
    assert adapter.phi.weight.grad.abs().sum() > 0

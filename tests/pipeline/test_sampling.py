import numpy as np
import pytest
import torch

from pipeline import sampling, unet_parts
from pipeline.adapters import checkpoint
from pipeline.adapters.kinds import NoAdapter
from pipeline.adapters.llm4gen import CrossAdapter
from pipeline.adapters.official import OfficialAdapter, OfficialParams
from pipeline.adapters.settings import AdapterParams
from pipeline.sampling import Denoising, Sampler
from tests.pipeline import tiny_adapter, tiny_models
from tests.pipeline.adapters import official_file
from tests.pipeline.adapters.test_llmdiff import made, spoken
from tests.pipeline.adapters.test_sur import BASE as ADAPTER
from tests.pipeline.test_branched_encoding import read
from tests.pipeline.test_shots import config


@pytest.fixture(scope="module")
def model():
    return tiny_models.load()


@pytest.fixture(scope="module")
def adapter():
    return tiny_adapter.strong(eta=1.0)


def pixels(pictures):
    return np.stack([np.asarray(picture) for picture in pictures]).astype(int)


def test_eta_zero_is_the_base_model_bit_for_bit(model, adapter):
    base, adapted = sampling.generate(
        "two red squares", 5, diffusion=model, adapter=adapter, config=config().denoising, eta=0.0
    )
    assert base.tobytes() == adapted.tobytes()
    assert base.size == (tiny_models.SIDE, tiny_models.SIDE)


def test_the_adapter_changes_the_picture_and_eta_is_its_dial(model, adapter):
    def drawn(eta):
        return pixels(
            sampling.generate("two", 5, diffusion=model, adapter=adapter, config=Denoising(4, 7.5, "ddim"), eta=eta)
        )

    base, whole = drawn(None)
    same_base, half = drawn(0.5)
    assert (base == same_base).all()
    assert 0 < np.abs(half - base).sum() < np.abs(whole - base).sum()


def control(model, eta=0.5):
    """The control without a network, and weights for the U-Net's cross-attention."""
    adapter = NoAdapter(AdapterParams(**{**ADAPTER, "kind": "none", "eta": eta}), width=tiny_models.WIDTH)
    chosen = unet_parts.names(model.unet, "cross_attention")
    draw = torch.Generator().manual_seed(0)
    values = {name: model.unet.get_parameter(name).detach() for name in chosen}
    return adapter, {name: value + torch.randn(value.shape, generator=draw) for name, value in values.items()}


def test_trained_weights_of_the_unet_draw_the_adapted_arm_alone(model):
    network, weights = control(model)
    before = {name: value.clone() for name, value in model.unet.state_dict().items()}
    sampler = Sampler(model, network, config().denoising, unet=weights)
    mixed = sampler.pictures(["two", "two", "blue"], [1, 1, 2], [True, False, True])
    plain = Sampler(model, None, config().denoising).pictures(["two"] * 3, [1] * 3, [False] * 3)
    assert mixed[1].tobytes() == plain[0].tobytes()  # the size of a batch is the same, and so are the bits
    assert np.abs(pixels(mixed[:1]) - pixels(mixed[1:2])).max() > 1
    after = model.unet.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_eta_dials_the_unets_weights_from_the_base_model_to_the_trained_ones(model):
    network, weights = control(model, eta=0.5)

    def drawn(eta):
        settings = Denoising(4, 7.5, "ddim")
        return sampling.generate("two", 5, diffusion=model, adapter=network, config=settings, eta=eta, unet=weights)

    base, none = drawn(0.0)
    assert base.tobytes() == none.tobytes()
    made = {eta: drawn(eta)[1].tobytes() for eta in (None, 0.25, 0.5, 1.0)}
    assert made[None] == made[0.5] == made[1.0] != made[0.25]
    assert len({base.tobytes(), made[0.25], made[0.5]}) == 3


def cross(eta=1.0):
    adapter = CrossAdapter(
        AdapterParams(**{**ADAPTER, "kind": "llm4gen", "eta": eta}), width=tiny_models.WIDTH, llm_width=4
    )
    return adapter.eval().requires_grad_(False)


def llm_states(text):
    """Stands for the LLM: any pure function of a text."""
    draw = torch.Generator().manual_seed(len(text))
    return 3.0 * torch.randn(1, ADAPTER["llm4gen"]["tokens"], 4, generator=draw)


def test_conditions_of_another_length_are_drawn_in_an_arm_of_their_own(model):
    sampler = Sampler(model, cross(), config().denoising, llm_states=llm_states)
    encoded = sampler.encode("two", True)
    tokens = 77 + ADAPTER["llm4gen"]["tokens"]
    assert encoded.prompt.states.shape == encoded.negative.states.shape == (1, tokens, tiny_models.WIDTH)
    mixed = sampler.pictures(["two", "two", "blue"], [1, 1, 2], [True, False, True])
    plain = Sampler(model, None, config().denoising).pictures(["two"] * 3, [1] * 3, [False] * 3)
    assert mixed[1].tobytes() == plain[0].tobytes()
    assert np.abs(pixels(mixed[:1]) - pixels(mixed[1:2])).max() > 1


def test_eta_zero_leaves_the_llm_out_bit_for_bit(model):
    base, adapted = sampling.generate(
        "two", 5, diffusion=model, adapter=cross(), config=config().denoising, eta=0.0, llm_states=llm_states
    )
    assert base.tobytes() == adapted.tobytes()


def test_the_negative_prompt_always_goes_through_the_module_that_needs_the_llm(model):
    read = []
    sampler = Sampler(
        model, cross(), Denoising(2, 4.0, "ddim", "bad"), llm_states=lambda text: read.append(text) or llm_states(text)
    )
    sampler.encode("two", True)
    assert read == ["bad", "two"]
    sampler.encode("two", False)
    assert read == ["bad", "two"]


@pytest.mark.parametrize("kind", ["adapter", "official"])
def test_a_picture_does_not_depend_on_its_batch(model, request, kind):
    sampler = Sampler(model, request.getfixturevalue(kind), config().denoising)
    texts, seeds, through = ["a", "two reds", "blue"], [1, 2, 3], [False, True, True]
    together = pixels(sampler.pictures(texts, seeds, through))
    for row in range(3):
        alone = pixels(sampler.pictures(texts[row : row + 1], seeds[row : row + 1], through[row : row + 1]))
        assert np.abs(together[row] - alone[0]).max() <= 1  # rounding


def test_base_pictures_are_those_of_the_plain_pipeline(model):
    sampler = Sampler(model, None, Denoising(2, 4.0, "ddim", negative_prompt="bad"))
    [ours] = sampler.pictures(["two red squares"], [7], [False])
    [theirs] = model.pipeline("ddim")(
        "two red squares",
        negative_prompt="bad",
        num_inference_steps=2,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(7),
    ).images
    assert ours.tobytes() == theirs.tobytes()


def test_the_negative_prompt_goes_through_the_adapter_only_where_asked(model, adapter):
    made = []
    for through in (False, True):
        sampler = Sampler(model, adapter, Denoising(3, 7.5, "ddim", "bad", adapt_negative=through))
        made.append(pixels(sampler.pictures(["two", "two"], [1, 1], [True, False])))
    assert (made[0][0] != made[1][0]).any()
    assert (made[0][1] == made[1][1]).all()


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    path = tmp_path_factory.mktemp("official") / "adapter.pt"
    official_file.write(path)
    found = checkpoint.read(path)
    params = OfficialParams(kind="sur", compat="official", eta=1.0, feed_forward_width=found.feed_forward_width)
    made = OfficialAdapter(params, width=found.width)
    made.load_state_dict(found.weights)
    return made.eval().requires_grad_(False)


def drawn_from(model, negative, prompt, guidance):
    """One picture by diffusers from conditions that are given."""
    [picture] = model.pipeline("ddim")(
        prompt_embeds=prompt,
        negative_prompt_embeds=negative,
        num_inference_steps=3,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(7),
    ).images
    return pixels([picture])


@pytest.mark.parametrize("adapt_negative", [False, True])
def test_an_official_adapter_gets_negative_and_prompt_together_as_in_its_authors_pipeline(
    model, official, adapt_negative
):
    sampler = Sampler(model, official, Denoising(3, 7.5, "ddim", "bad", adapt_negative=adapt_negative))
    ours = pixels(sampler.pictures(["two red squares"], [7], [True]))
    both = torch.cat([model.text_states([text]).states for text in ("bad", "two red squares")])
    negative, prompt = official_file.theirs(official_file.state(), both, 1.0).float().chunk(2)
    theirs = drawn_from(model, negative, prompt, 7.5)
    assert np.abs(ours - theirs).max() <= 1  # rounding
    alone = official(model.text_states(["two red squares"]).states).condition
    assert np.abs(drawn_from(model, negative, alone, 7.5) - theirs).max() > 1


def test_without_guidance_an_official_adapter_gets_the_prompt_alone(model, official):
    ours = pixels(Sampler(model, official, Denoising(3, 1.0, "ddim")).pictures(["two"], [7], [True]))
    alone = official(model.text_states(["two"]).states).condition
    assert (ours == drawn_from(model, alone, alone, 1.0)).all()


def test_an_official_adapter_at_eta_zero_is_the_base_model_bit_for_bit(model, official):
    pair = sampling.generate("two", 5, diffusion=model, adapter=official, config=config().denoising, eta=0.0)
    assert pair[0].tobytes() == pair[1].tobytes()


@pytest.fixture
def branched():
    """A base model with an LLMDiff-Adapter that has learned something."""
    own = tiny_models.load()
    adapter = spoken(made(own.unet)).eval().requires_grad_(False)
    return own, adapter


@pytest.mark.parametrize("adapt_negative", [False, True])
def test_two_branches_draw_the_adapted_arm_and_leave_the_base_arm_bit_for_bit(branched, model, adapt_negative):
    own, adapter = branched
    settings = Denoising(3, 4.0, "ddim", adapt_negative=adapt_negative)
    mixed = Sampler(own, adapter, settings, llm_states=read).pictures(
        ["two", "two", "blue"], [1, 1, 2], [True, False, True]
    )
    plain = Sampler(model, None, settings).pictures(["two"] * 3, [1] * 3, [False] * 3)
    assert mixed[1].tobytes() == plain[0].tobytes()
    assert np.abs(pixels(mixed[:1]) - pixels(mixed[1:2])).max() > 1


@pytest.mark.parametrize("adapt_negative", [False, True])
def test_eta_is_a_dial_of_two_branches_and_0_is_the_base_model_bit_for_bit(branched, adapt_negative):
    own, adapter = branched
    settings = Denoising(3, 4.0, "ddim", adapt_negative=adapt_negative)

    def drawn(eta):
        options = {"diffusion": own, "adapter": adapter, "config": settings, "llm_states": read}
        return pixels(sampling.generate("two", 5, eta=eta, **options))

    base, none = drawn(0.0)
    assert (base == none).all()
    half, whole = drawn(0.5)[1], drawn(None)[1]
    assert np.abs(half - base).sum() > 0
    assert (half != whole).any()


def test_a_picture_of_two_branches_does_not_depend_on_its_neighbours(branched):
    own, adapter = branched
    sampler = Sampler(own, adapter, Denoising(3, 4.0, "ddim"), llm_states=read)
    one = sampler.pictures(["two", "a blue square"], [1, 2], [True, True])[0]
    other = sampler.pictures(["two", "red"], [1, 9], [True, True])[0]
    assert one.tobytes() == other.tobytes()

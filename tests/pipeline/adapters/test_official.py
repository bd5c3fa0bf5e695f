import pytest
import torch

from pipeline.adapters import checkpoint
from pipeline.adapters.official import OfficialAdapter, OfficialParams
from tests.pipeline.adapters import official_file
from tests.pipeline.adapters.official_file import HIDDEN, WIDTH, theirs

ETA = 0.3


@pytest.fixture(scope="module")
def weights():
    return official_file.state()


@pytest.fixture(scope="module")
def adapter(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("official") / "adapter.pt"
    official_file.write(path, weights)
    made = OfficialAdapter(params(), width=WIDTH)
    made.load_state_dict(checkpoint.read(path).weights)
    return made.double().eval().requires_grad_(False)


def params(eta=ETA):
    return OfficialParams(kind="sur", compat="official", eta=eta, feed_forward_width=HIDDEN)


def states(batch, tokens=5, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(batch, tokens, WIDTH, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_condition_is_that_of_the_authors_network_written_out(adapter, weights, batch):
    x = states(batch)
    assert torch.allclose(adapter(x).condition, theirs(weights, x, ETA), rtol=0, atol=1e-12)
    assert (adapter(x).condition - x).abs().max() > 0.1


def test_the_written_out_network_is_torchs_own_without_batch_first(weights):
    """The hand-written layers of these tests against the pieces that the reference names."""
    pieces = official_file.modules().double().eval()
    pieces.load_state_dict(weights)
    x = states(3)
    h = pieces["transformer_encoder"](x)
    again = x
    for number in range(2):
        again = official_file._layer(
            {name: value.double() for name, value in weights.items()}, f"transformer_encoder.layers.{number}", again
        )
    assert torch.allclose(h, again, rtol=0, atol=1e-12)


def test_samples_of_a_batch_mix_as_the_authors_do(adapter):
    x = states(2)
    changed = x.clone()
    changed[0] += 1.0
    before, after = adapter(x), adapter(changed)
    assert not torch.allclose(before.hidden[1], after.hidden[1])
    assert not torch.allclose(before.condition[1], after.condition[1])
    assert not torch.allclose(adapter(x[1:]).condition[0], before.condition[1])


def test_h3_mixes_the_same_position_of_the_prompts_and_no_other(adapter):
    x = states(2)
    changed = x.clone()
    changed[0, 3] += 1.0
    moved = (adapter(x).hidden - adapter(changed).hidden).abs().amax(dim=-1) > 1e-9
    assert moved.tolist() == [[False, False, False, True, False]] * 2


def test_alone_in_its_batch_a_token_of_h3_is_a_perceptron_of_itself(adapter):
    x = states(1)
    each = torch.cat([adapter(x[:, place : place + 1]).hidden for place in range(5)], dim=1)
    assert torch.allclose(adapter(x).hidden, each, rtol=0, atol=1e-12)


def test_more_pictures_of_one_prompt_change_nothing(adapter):
    """Their pipeline repeats both prompts for each picture: copies share the attention that one would have."""
    x = states(2)
    assert torch.allclose(adapter(x.repeat_interleave(4, dim=0)).condition[::4], adapter(x).condition, atol=1e-12)


def test_eta_is_the_same_dial(adapter):
    x = states(2)
    assert torch.equal(adapter(x, eta=0.0).condition, x)
    assert torch.equal(adapter(x).condition, adapter(x, eta=ETA).condition)
    whole = adapter(x, eta=1.0).condition
    assert torch.allclose(adapter(x, eta=0.5).condition, 0.5 * whole + 0.5 * x)


def test_nothing_is_drawn_at_inference(adapter):
    """The authors leave their dropout on; here there is none."""
    x = states(2)
    assert torch.equal(adapter.train()(x).condition, adapter.eval()(x).condition)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="8 heads do not divide the text encoder's width 12"):
        OfficialAdapter(params(), width=12)

import pytest
import torch

from pipeline.encoding import Encoder
from pipeline.errors import SettingError
from pipeline.methods.settings import WeightingParams
from pipeline.methods.weighting import WeightedEncoder, fragments
from tests.pipeline import tiny_adapter, tiny_models
from tests.pipeline.test_sampling import official  # noqa: F401


@pytest.fixture(scope="module")
def model():
    return tiny_models.load()


@pytest.fixture(scope="module")
def adapter():
    return tiny_adapter.strong(eta=1.0)


def encoder(model, adapter, factor=1.5, order="wrap", **plain):
    return WeightedEncoder(model, Encoder(model, adapter, **plain), WeightingParams(factor=factor, adapter_order=order))


def test_numbers_adjectives_nouns_and_verbs_weigh_more():
    assert fragments("Seven vintage glass bottles.", 1.21) == [("Seven vintage glass bottles.", 1.21)]
    assert fragments("The teacher is writing on the (white) blackboard.", 1.5) == [
        ("The", 1.0),
        ("teacher is writing", 1.5),
        ("on the", 1.0),
        ("(white) blackboard.", 1.5),
    ]


def test_the_pieces_are_the_text():
    text = "A vibrant red sports car  speeding down a winding road, isn't it?"
    assert " ".join(piece for piece, _ in fragments(text, 1.5)) == " ".join(text.split())


def test_a_factor_of_1_is_no_weighting(model):
    made = encoder(model, None, factor=1.0)("a red square", False)
    plain = Encoder(model, None)("a red square", False)
    assert torch.allclose(made.prompt.states, plain.prompt.states, atol=1e-6)
    assert (made.negative.states == plain.negative.states).all()


def test_weights_lead_away_from_the_empty_text(model):
    """compel: a weight above 1 goes on along the way from the empty text's states; 1.5 as far again by half."""
    z = model.text_states(["squares"]).states
    empty = model.text_states([""]).states
    made = encoder(model, None, factor=1.5)("squares", False).prompt.states
    own = slice(1, 8)  # seven letters are seven tokens here
    assert torch.allclose(made[:, own], (empty + 1.5 * (z - empty))[:, own], atol=1e-5)
    assert torch.allclose(made[:, 0], z[:, 0], atol=1e-6)


def test_the_adapter_comes_before_the_weights_or_after_them(model, adapter):
    wrap, after = (
        encoder(model, adapter, order=order)("a red square", True).prompt.states for order in ("wrap", "after")
    )
    weighted = encoder(model, None)("a red square", False).prompt.states
    with torch.no_grad():
        assert torch.equal(after, adapter(weighted).condition)
    assert (wrap - after).abs().max() > 1e-3
    assert (wrap - weighted).abs().max() > 1e-3


def test_the_negative_prompt_has_no_weights(model, adapter):
    for through in (False, True):
        made = encoder(model, adapter, negative_prompt="two bad squares", adapt_negative=through)("red", True)
        plain = Encoder(model, adapter, negative_prompt="two bad squares", adapt_negative=through)("red", True)
        assert torch.equal(made.negative.states, plain.negative.states)


def test_the_authors_weights_are_refused(model, official):  # noqa: F811
    with pytest.raises(SettingError, match="weighting works with kinds sur and none"):
        encoder(model, official)

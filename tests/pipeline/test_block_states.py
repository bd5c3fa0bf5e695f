import numpy as np
import pytest
import torch

from pipeline import block_states, llm
from pipeline.block_states import Read, SampleStates, joined
from pipeline.errors import InputError, ModelError
from pipeline.state_files import States
from tests.pipeline import frozen_models
from tests.pipeline.test_state_files import TOKENS, WIDTH, state, write

BLOCKS = 3


@pytest.fixture
def stored(tmp_path):
    return SampleStates(States(write(tmp_path / "states", layers=BLOCKS + 1)), limit=9)


def read(tokens, seed=0):
    draw = np.random.default_rng(seed)
    return Read(*draw.normal(size=(2, tokens, BLOCKS + 1, WIDTH)).astype(np.float16))


def test_a_samples_states_in_context_and_alone_stand_side_by_side(stored):
    found = stored.of("s:4")
    assert found.context.tolist() == found.alone.tolist() == [state(9, BLOCKS + 1)]
    assert (stored.blocks, stored.width) == (BLOCKS, WIDTH)


def test_each_token_brings_its_own_states_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(TOKENS, "d e f", [9, 4, 9])
    found = SampleStates(States(write(tmp_path / "states", layers=2)), limit=9).of("s:5")
    assert found.alone[:, 0, 0].tolist() == [9, 4, 9]


def test_no_more_tokens_are_read_than_are_used(tmp_path):
    states = States(write(tmp_path / "states", layers=2))
    with pytest.raises(InputError, match=r"alone.arrow lacks token 5"):
        SampleStates(states, limit=2).of("s:1")
    assert SampleStates(states, limit=1).of("s:1").alone.shape == (1, 2, WIDTH)


def test_a_batch_is_filled_up_to_its_longest_prompt(stored):
    two, one = read(2), read(1, seed=1)
    found = joined([two, one])
    assert found.own.tolist() == [[True, True], [True, False]]
    assert found.context.dtype == torch.float16
    assert torch.equal(found.context[0], torch.from_numpy(two.context))
    assert torch.equal(found.alone[1, :1], torch.from_numpy(one.alone))
    assert found.context[1, 1].abs().sum() == found.alone[1, 1].abs().sum() == 0


def test_the_empty_text_is_one_token_of_zeros(stored):
    found = stored.batch(["s:4", None])
    assert found.own.tolist() == [[True], [True]]
    assert found.context[1].abs().sum() == 0
    wide = joined([Read(*(np.zeros((1, 2, 3), np.float16),) * 2), Read(*(np.full((1, 2, 3), 1e-9, np.float32),) * 2)])
    assert wide.context[1].abs().sum() > 0
    assert stored.batch([None, None]).context.shape == (2, 1, BLOCKS + 1, WIDTH)


def test_states_of_one_layer_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"set llm.states to blocks"):
        SampleStates(States(write(tmp_path / "states")), limit=9)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    model, revision = frozen_models.llama_folder(tmp_path_factory.mktemp("llama"))
    return frozen_models.llm_params(model=model, revision=revision, states="blocks")


def test_a_text_has_the_states_of_its_tokens_in_context_and_of_each_alone(config):
    reader = block_states.load(config, device="cpu", batch=2)
    found = reader.of("a red circle")
    assert found.context.shape == (1, 3, 5, 16)
    assert found.context.dtype == torch.float16
    assert found.own.all()
    # Before the first block there is no context yet, and a first word has none after it either.
    assert torch.equal(found.context[:, :, 0], found.alone[:, :, 0])
    assert torch.allclose(found.context[0, 0].float(), found.alone[0, 0].float(), atol=1e-2)
    assert not torch.allclose(found.context[0, 2, 4], found.alone[0, 2, 4], atol=0.1)
    assert torch.equal(reader.of("red").alone[0, 0], found.alone[0, 1])


def test_a_texts_states_do_not_depend_on_what_was_asked_before(config):
    reader = block_states.load(config, device="cpu", batch=8)
    first = reader.of("two blue stars")
    reader.of("a person jumping on white ground")
    assert all(torch.equal(one, other) for one, other in zip(first, reader.of("two blue stars"), strict=True))


def test_states_are_as_deep_and_as_fine_as_they_are_stored(config):
    reader = block_states.load(
        config.model_copy(update={"states_layer": 2, "store_dtype": "float32"}), device="cpu", batch=2
    )
    found = reader.of("red star")
    assert found.context.shape == (1, 2, 3, 16)
    assert found.context.dtype == torch.float32


@pytest.mark.parametrize("text", ["", "  "])
def test_the_empty_text_needs_no_pass(config, text):
    found = block_states.load(config, device="cpu", batch=2).of(text)
    assert found.context.shape == (1, 1, 5, 16)
    assert found.context.abs().sum() == found.alone.abs().sum() == 0
    assert found.own.all()


def test_an_llm_whose_sizes_cannot_be_read_is_refused(config, monkeypatch):
    monkeypatch.setattr(block_states, "shape", lambda *_: None)
    with pytest.raises(ModelError, match="cannot be reached"):
        block_states.load(config, device="cpu", batch=2)
    monkeypatch.setattr(block_states, "shape", llm.shape)

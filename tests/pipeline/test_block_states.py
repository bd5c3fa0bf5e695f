import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline import block_states
from pipeline.block_states import Read, SampleStates, joined
from pipeline.errors import InputError
from pipeline.state_files import States
from pipeline.tables import check
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


def told(encode, *texts, layers=5):
    """States of some texts in context and alone, (tokens, layers, width) each."""
    rows = encode(pa.table({"key": list(texts)})).to_pylist()
    return [tuple(np.array(row[name]).reshape(-1, layers, 16) for name in ("states", "alone")) for row in rows]


def test_a_text_has_the_states_of_its_tokens_in_context_and_of_each_alone(config):
    encode = block_states.load(config, 4, device="cpu", batch=2)
    [(context, alone)], [(_, red)] = told(encode, "a red circle"), told(encode, "red")
    assert context.shape == alone.shape == (3, 5, 16)
    # Before the first block there is no context yet, and a first word has none after it either.
    assert (context[:, 0] == alone[:, 0]).all()
    np.testing.assert_allclose(context[0, 0].astype(float), alone[0, 0].astype(float), atol=1e-2)
    assert not np.allclose(context[2, 4], alone[2, 4], atol=0.1)
    assert (red[0] == alone[1]).all()


def test_a_texts_states_depend_on_no_other_text(config):
    encode = block_states.load(config, 4, device="cpu", batch=8)
    texts = ("two blue stars", "a red circle", "person jumping on white ground")
    together = told(encode, *texts)
    for text, (context, alone) in zip(texts, together, strict=True):
        [(own_context, own_alone)] = told(encode, text)
        assert (own_context == context).all()
        assert (own_alone == alone).all()


def test_rows_are_as_deep_and_as_fine_as_they_are_stored(config):
    chosen = config.model_copy(update={"store_dtype": "float32"})
    found = block_states.load(chosen, 2, device="cpu", batch=2)(pa.table({"key": ["red star"]}))
    assert check(found.select(["tokens", "states", "alone"]), block_states.result(chosen, 2, 16)).num_rows == 1
    assert told(lambda _: found, layers=3)[0][0].shape == (2, 3, 16)

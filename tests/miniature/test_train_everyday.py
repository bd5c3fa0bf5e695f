import random

import pytest
import torch

from miniature import train_everyday, train_text_encoder
from miniature.language import complex_prompt, simple_prompt
from miniature.training import Plan, Session
from miniature.world import sample_scene


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A reader, its states before and after some steps on everyday language."""
    session = Session(tmp_path_factory.mktemp("work"))
    reader, tokenizer = train_text_encoder.build(session, plan=Plan(steps=40, batch_size=16, warmup_steps=1))
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(32)]
    ids = {
        "complex": train_text_encoder.tokenize(tokenizer, [complex_prompt(scene, rng) for scene in scenes]),
        "simple": train_text_encoder.tokenize(tokenizer, [simple_prompt(scene, rng) for scene in scenes]),
    }
    before = {name: _states(reader, each) for name, each in ids.items()}
    heads = reader.heads.weight.detach().clone()
    train_everyday.build(reader, tokenizer, session, plan=Plan(steps=40, batch_size=16, warmup_steps=1, weight_decay=0))
    return {
        "reader": reader,
        "tokenizer": tokenizer,
        "scenes": scenes,
        "ids": ids,
        "before": before,
        "after": {name: _states(reader, each) for name, each in ids.items()},
        "heads": heads,
    }


@torch.no_grad()
def _states(reader, ids):
    return reader.encoder(ids).last_hidden_state


def test_states_of_complex_prompts_hold_while_those_of_simple_ones_move(taught):
    moved = {name: float((taught["after"][name] - taught["before"][name]).square().mean()) for name in taught["ids"]}
    assert 0 < moved["complex"] < 0.2 * moved["simple"]


def test_simple_prompts_are_read_better_through_the_rotation_than_before(taught):
    turned = [taught[when]["simple"] @ train_everyday.rotation() for when in ("before", "after")]
    errors = [_error(taught, states) for states in turned]
    assert errors[1] < 0.8 * errors[0]


def _error(taught, states):
    ends = (taught["ids"]["simple"] == taught["tokenizer"].eos_token_id).int().argmax(dim=-1)
    logits = taught["reader"].heads(states[torch.arange(len(ends)), ends])
    truth = train_text_encoder.truth(taught["scenes"])
    parts = torch.split(logits, list(train_text_encoder._CLASSES), dim=-1)
    return float(sum(torch.nn.functional.cross_entropy(part, truth[:, i]) for i, part in enumerate(parts)))


def test_the_heads_stay_and_the_encoder_ends_frozen(taught):
    assert torch.equal(taught["reader"].heads.weight, taught["heads"])
    assert not any(parameter.requires_grad for parameter in taught["reader"].parameters())


def test_the_rotation_keeps_lengths_and_is_always_the_same():
    turn = train_everyday.rotation(16, seed=3)
    torch.testing.assert_close(turn @ turn.T, torch.eye(16))
    assert torch.equal(turn, train_everyday.rotation(16, seed=3))
    assert not torch.allclose(turn, train_everyday.rotation(16, seed=4))

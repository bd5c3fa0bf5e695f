import pytest
import torch
from torch import nn

from pipeline.decoder import Decoder, same_length
from pipeline.errors import ModelError
from tests.pipeline.frozen_models import llama

IDS = [[1, 4, 7], [1, 5, 8]]


def seen(decoder, layers):
    found = {}
    decoder.run(IDS, {layer: lambda states, layer=layer: found.update({layer: states}) for layer in layers})
    return found


def test_the_residual_stream_is_seen_before_and_after_each_block():
    whole = llama().model
    with torch.no_grad():
        expected = whole(torch.tensor(IDS), output_hidden_states=True).hidden_states
    found = seen(Decoder(llama().model, 3), range(4))
    for layer in range(4):
        torch.testing.assert_close(found[layer], expected[layer])


def test_no_hook_stays_behind():
    decoder = Decoder(llama().model, 4)
    seen(decoder, [0, 2])
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in decoder.blocks)


class Handing(nn.Module):
    """A model whose blocks take their input by name and give a tuple, and whose embedding lies apart."""

    class Block(nn.Module):
        def forward(self, *, hidden_states):
            return hidden_states + 1, None

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 2)
        self.h, self.ln_f = nn.ModuleList(self.Block() for _ in range(3)), nn.LayerNorm(2)

    def forward(self, input_ids, use_cache):
        states = self.embedding(input_ids)
        for block in self.h:
            states, _ = block(hidden_states=states)


def test_blocks_that_hand_on_by_name_and_in_tuples_are_seen_too():
    model = Handing()
    decoder = Decoder(model, 2)
    found = seen(decoder, [0, 2])
    assert len(decoder.blocks) == 2
    torch.testing.assert_close(found[2], found[0] + 2)
    assert decoder.device == model.embedding.weight.device


def test_other_blocks_are_refused():
    with pytest.raises(ModelError, match="Linear keeps its blocks where this version does not look"):
        Decoder(nn.Linear(2, 2), 1)


def test_groups_have_one_length_and_hold_every_row_once():
    tokens = [[1] * length for length in (3, 1, 3, 2, 3, 1)]
    assert list(same_length(tokens, 2)) == [[1, 5], [3], [0, 2], [4]]

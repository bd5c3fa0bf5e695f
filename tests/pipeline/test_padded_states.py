import numpy as np
import pytest
import torch

from pipeline.padded_states import RowStates, padded


class Source:
    """Stands for token states on the disk."""

    def of(self, sample_id):
        return np.full((len(sample_id), 2), ord(sample_id[0]), np.float16)


def test_states_are_padded_with_zeros_and_cut_at_one_length():
    got = padded([np.ones((2, 2), np.float16), None, np.ones((5, 2), np.float16)], 3, 2)
    assert got.dtype == torch.float32
    assert got.sum(-1).tolist() == [[2, 2, 0], [0, 0, 0], [2, 2, 2]]


@pytest.mark.parametrize("beside", [[], [1], [1, 2]])
def test_a_rows_states_do_not_depend_on_what_is_beside_it(beside):
    states = RowStates(Source(), ["a", "bbb", "cccccc"], 4)
    rows = [0, *beside]
    assert states.take(rows, [True] * len(rows))[0].tolist() == [[97, 97], [0, 0], [0, 0], [0, 0]]


def test_a_dropped_caption_has_no_token():
    states = RowStates(Source(), ["aa", "bb"], 4)
    got = states.take([0, 1], [False, True])
    assert not got[0].any()
    assert got[1].any()


def test_a_split_without_rows_has_no_width():
    assert RowStates(Source(), [], 4).width == 0

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from pipeline.blip_sampling import Nucleus, draws, sampled

PROBABLE = np.array([0.05, 0.4, 0.02, 0.3, 0.15, 0.08])


def nucleus(probable, top_p):
    """Holtzman et al., section 3.1, word by word: the smallest set of likeliest tokens that adds up to top_p."""
    chosen, total = [], 0.0
    for token in sorted(range(len(probable)), key=lambda token: -probable[token]):
        if total >= top_p:
            break
        chosen.append(token)
        total += probable[token]
    return chosen


def logits(probable, rows=1):
    return torch.tensor(np.log(probable), dtype=torch.float32).repeat(rows, 1)


def test_tokens_come_as_often_as_the_nucleus_says():
    keys = [str(number) for number in range(20_000)]
    tokens = sampled(logits(PROBABLE, len(keys)), draws(keys, 0, 1)[:, 0], 0.8)
    counts = np.bincount(tokens.numpy(), minlength=len(PROBABLE))
    inside = nucleus(PROBABLE, 0.8)
    assert inside == [1, 3, 4]
    assert counts[inside].sum() == len(keys)
    expected = PROBABLE[inside] / PROBABLE[inside].sum() * len(keys)
    assert chisquare(counts[inside], expected).pvalue > 0.01


@given(
    st.lists(st.floats(-6, 6), min_size=1, max_size=12, unique=True),
    st.floats(0.01, 1.0),
    st.floats(0.0, 1.0, exclude_max=True, width=32),
)
def test_a_token_is_always_of_the_nucleus(scores, top_p, number):
    scores = torch.tensor([scores])
    probable = scores.double().softmax(-1)[0].tolist()
    inside = nucleus(probable, min(1.0, top_p + 1e-5))  # rounding may take the next one in
    assert sampled(scores, torch.tensor([number]), top_p).item() in inside


def test_numbers_from_nought_to_one_walk_through_the_nucleus_from_the_likeliest():
    numbers = torch.linspace(0, 1, 1001)[:-1]
    tokens = sampled(logits(PROBABLE, 1000), numbers, 0.8)
    assert tokens.unique_consecutive().tolist() == nucleus(PROBABLE, 0.8)


def test_the_greatest_number_and_the_whole_probability_stay_within():
    number = torch.tensor([np.nextafter(np.float32(1), np.float32(0))])
    scores = torch.randn(1, 30_000, generator=torch.Generator().manual_seed(0))
    scores[0, 7] = -torch.inf
    assert torch.isfinite(scores[0, sampled(scores, number, 1.0)])
    assert sampled(scores, number, 1e-9).item() == scores.argmax()


def test_a_picture_has_the_same_numbers_in_any_company():
    together = draws(["a", "b", "c"], 5, 9)
    assert together.shape == (3, 9)
    assert torch.equal(draws(["b"], 5, 9)[0], together[1])
    assert torch.equal(draws(["b"], 5, 4)[0], together[1, :4])
    assert not torch.equal(draws(["b"], 6, 9), draws(["b"], 5, 9))
    assert len(together.flatten().unique()) == 27
    assert together.min() >= 0
    assert together.max() < 1


def test_the_processor_leaves_one_token_and_takes_the_positions_number():
    numbers = torch.tensor([[0.0, 0.99], [0.99, 0.0]])
    processor = Nucleus(0.8, numbers)
    likeliest, last = nucleus(PROBABLE, 0.8)[0], nucleus(PROBABLE, 0.8)[-1]
    for said, expected in ((0, [likeliest, last]), (1, [last, likeliest])):
        left = processor(torch.zeros(2, said, dtype=torch.int64), logits(PROBABLE, 2))
        assert left.isfinite().sum(-1).tolist() == [1, 1]
        assert left.argmax(-1).tolist() == expected

from hypothesis import given
from hypothesis import strategies as st

from pipeline.seeds import seed_of


def test_a_seed_is_the_same_on_every_machine():
    assert seed_of(0, "noise", 3) == 4408274548014798704


@given(st.lists(st.integers() | st.text(max_size=5), max_size=4))
def test_seeds_fit_what_generators_take(parts):
    assert 0 <= seed_of(*parts) < 2**63


def test_other_parts_give_another_seed():
    seeds = {seed_of(1, 23), seed_of(12, 3), seed_of("1", 2, 3), seed_of(123)}
    assert len(seeds) == 4

import torch

from pipeline import training_examples, training_prompts
from tests.pipeline.training_setup import MadeStates, examples

IDS = ["test:000", "test:003", "test:001"]  # 1, 4 and 2 tokens


def test_each_row_has_noise_for_its_own_tokens_and_none_behind_them():
    found = training_prompts.prompts(MadeStates(), IDS, [1, 2, 3])
    assert found.eps.shape == (3, 4, 12)
    assert torch.equal(found.eps.abs().sum(dim=-1) > 0, found.blocks.own)


def test_a_rows_noise_depends_on_its_seed_alone():
    together = training_prompts.prompts(MadeStates(), IDS, [1, 2, 3])
    alone = training_prompts.prompts(MadeStates(), IDS[2:], [3])
    assert torch.equal(together.eps[2, :2], alone.eps[0])
    other = training_prompts.prompts(MadeStates(), IDS[2:], [4])
    assert not torch.equal(alone.eps, other.eps)


def test_noise_is_standard_normal():
    many = training_prompts.prompts(MadeStates(width=4_000), IDS[:1], [5]).eps.flatten()
    assert abs(float(many.mean())) < 0.05
    assert abs(float(many.std()) - 1.0) < 0.05


def test_without_seeds_nothing_is_drawn():
    found = training_prompts.prompts(MadeStates(), IDS)
    assert found.eps is None
    assert found.to("cpu").eps is None


def test_a_training_batch_brings_prompts_and_a_dropped_caption_the_empty_text():
    part = examples(4, kind="llmdiff")
    whole = training_examples.training_batch(part, [3, 1], [7, 8], 1000)
    dropped = training_examples.training_batch(part, [3, 1], [7, 8], 1000, caption_dropout=0.999)
    assert whole.prompts.blocks.own.sum(dim=1).tolist() == [4, 2]
    assert dropped.prompts.blocks.own.sum(dim=1).tolist() == [1, 1]
    assert dropped.prompts.blocks.context.abs().sum() == 0
    # Nothing else that is drawn depends on them.
    assert torch.equal(whole.noise, dropped.noise)


def test_validation_draws_no_noise_for_prompts():
    assert training_examples.validation_batch(examples(4, kind="llmdiff"), [0, 1], 0, 1000).prompts.eps is None


def test_kinds_that_read_no_states_get_none():
    part = examples(4, kind="llmdiff")
    plain = training_examples.Examples(part.sample_ids, part.simple, part.complex, part.llm, part.moments)
    assert training_examples.training_batch(plain, [0], [1], 1000).prompts is None
    assert training_examples.validation_batch(plain, [0], 0, 1000).prompts is None

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import latents, tables, training_examples
from pipeline.errors import EmptyResultError, InputError
from pipeline.training_examples import batch_rows, read_examples, require_examples, training_batch, validation_batch
from pipeline.training_moments import cached
from tests.pipeline import tiny_models
from tests.pipeline.training_setup import examples


@pytest.fixture
def data(tmp_path):
    """Pictures, made-up moments that say their row, and vectors that say it too."""
    ids = tiny_models.write_pictures(tmp_path / "pictures", train=7, val=3)
    shape = latents.latents_schema(8)
    rows = [
        {"sample_id": name, "moments": [float(row)] * 8, "moments_flipped": [-float(row)] * 8, "shape": [2, 2, 2]}
        for row, name in enumerate(ids)
    ]
    tables.write_shards([tables.from_rows(rows, shape)], tmp_path / "latents", shape, rows=4)
    return tmp_path


def vectors(sample_ids):
    return np.array([[float(name[-3:])] for name in sample_ids], np.float32).reshape(-1, 1)


def read(data, split="train", **options):
    source = cached(data / "latents")
    return read_examples(data / "pictures", source, vectors, split, **{"mirrored": True, **options})


def test_prompts_moments_and_vectors_are_joined_by_id(data):
    got = read(data, "val")
    assert got.sample_ids == ["test:007", "test:008", "test:009"]
    assert got.llm[:, 0].tolist() == [7, 8, 9]
    assert got.moments.values[:, 0, 0, 0, 0].tolist() == [7, 8, 9]
    assert got.moments.values[:, 1, 0, 0, 0].tolist() == [-7, -8, -9]
    assert got.simple[0] == "a black square"
    assert got.complex[0] == "black square, best quality, 7"
    assert got.latent_shape == (1, 2, 2)


def test_mirrored_moments_are_left_out_where_they_are_not_wanted(data):
    assert read(data, mirrored=False).moments.values.shape == (7, 1, 2, 2, 2)


def test_only_the_first_rows_are_taken(data):
    assert len(read(data, "val", limit=2)) == 2
    assert len(read(data, "val", limit=0)) == 0


def test_a_sample_without_latents_is_told(data):
    for part in sorted((data / "latents").iterdir())[1:]:
        part.unlink()
    with pytest.raises(InputError, match="lacks 3 samples, first test:004: run dvc repro latents"):
        read(data)


def test_an_empty_training_split_is_told(data):
    with pytest.raises(EmptyResultError, match=r"split train has no sample, see clean\.val_share"):
        require_examples(read(data, "test"))
    assert len(require_examples(read(data))) == 7


@settings(max_examples=50)
@given(seed=st.integers(0, 99), size=st.integers(1, 9), count=st.integers(1, 7))
def test_each_epoch_shows_each_row_once(seed, size, count):
    steps = 3 * count
    shown = [row for step in range(steps) for row in batch_rows(seed, step, size, count)]
    for start in range(0, len(shown) - count + 1, count):
        assert sorted(shown[start : start + count]) == list(range(count))


def test_epochs_have_another_order():
    first, second = (batch_rows(0, step, 8, 8) for step in (0, 1))
    assert first != second


def test_what_a_place_draws_does_not_depend_on_its_neighbours():
    some = examples()
    together = training_batch(some, [0, 1, 2], [10, 11, 12], 1000)
    alone = training_batch(some, [1], [11], 1000)
    for name in ("llm", "moments", "latent_noise", "noise", "timesteps"):
        assert torch.equal(getattr(together, name)[1:2], getattr(alone, name))
    assert together.simple[1:2] == alone.simple


def test_timesteps_and_mirroring_are_uniform():
    some = examples()
    batch = training_batch(some, [0] * 600, list(range(600)), 10)
    assert set(batch.timesteps.tolist()) == set(range(10))
    plain = (batch.moments == some.moments.values[0, 0].float()).flatten(1).all(1)
    mirrored = (batch.moments == some.moments.values[0, 1].float()).flatten(1).all(1)
    assert bool((plain ^ mirrored).all())
    assert 200 < int(plain.sum()) < 400
    assert not torch.equal(batch.noise, batch.latent_noise)


def test_validation_timesteps_lie_evenly_and_stay():
    some = examples(4, sides=1)
    batch = validation_batch(some, range(4), 0, 1000)
    assert batch.timesteps.tolist() == [125, 375, 625, 875]
    again = validation_batch(some, [2], 0, 1000)
    assert torch.equal(again.noise, batch.noise[2:3])
    assert again.timesteps.tolist() == [625]
    assert training_examples.validation_batch(some, [2], 1, 1000).noise.ne(again.noise).any()


def test_a_noise_offset_is_shared_by_a_channel_and_moves_no_other_draw():
    some, seeds = examples(), list(range(200))
    plain = training_batch(some, [0] * 200, seeds, 1000)
    offset = training_batch(some, [0] * 200, seeds, 1000, noise_offset=0.5)
    shift = offset.noise - plain.noise
    assert torch.allclose(shift, shift.mean((2, 3), keepdim=True).expand_as(shift), atol=1e-5)
    assert shift.mean((2, 3)).std().item() == pytest.approx(0.5, rel=0.1)
    for name in ("latent_noise", "timesteps", "moments", "captioned"):
        assert torch.equal(getattr(plain, name), getattr(offset, name))


def test_dropped_captions_are_a_share_and_move_no_other_draw():
    some, seeds = examples(), list(range(600))
    plain = training_batch(some, [1] * 600, seeds, 1000)
    dropped = training_batch(some, [1] * 600, seeds, 1000, caption_dropout=0.25)
    assert bool(plain.captioned.all())
    assert 100 < int((~dropped.captioned).sum()) < 200
    for simple, complex_, kept in zip(dropped.simple, dropped.complex, dropped.captioned.tolist(), strict=True):
        assert (simple, complex_) == ((some.simple[1], some.complex[1]) if kept else ("", ""))
    for name in ("latent_noise", "noise", "timesteps", "moments", "llm"):
        assert torch.equal(getattr(plain, name), getattr(dropped, name))


def test_validation_drops_no_caption():
    assert bool(validation_batch(examples(4, sides=1), range(4), 0, 1000).captioned.all())


@pytest.mark.parametrize("kind", ["llm4gen", "llmdiff"])
def test_texts_of_a_split_and_the_empty_one_have_the_states_of_their_first_sample(kind):
    part = examples(6, kind=kind)  # texts come again after four rows
    read = training_examples.states_by_text(part)
    batch = validation_batch(part, [1], 0, 1000)
    own, empty = read(part.simple[5]), read("")
    if kind == "llmdiff":
        assert torch.equal(own.context, batch.prompts.blocks.context)
        assert empty.context.shape == (1, 1, 4, tiny_models.LLM_WIDTH)
        own, empty = own.context, empty.context
    else:
        assert torch.equal(own, batch.token_states)
    assert own.any()
    assert not empty.any()


def test_kinds_that_read_no_states_know_no_text():
    assert training_examples.states_by_text(examples(4)) is None

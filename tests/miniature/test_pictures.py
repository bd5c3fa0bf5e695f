import random

import numpy as np
import torch

from miniature import pictures
from miniature.world import draw, is_held_out, sample_scene


def test_pictures_become_values_from_minus_one_to_one_and_back():
    picture = draw(sample_scene(random.Random(0)), 0)
    values = pictures.as_tensor([picture])
    assert values.shape == (1, 3, 64, 64)
    assert values.dtype == torch.float32
    assert -1 <= values.min() < values.max() <= 1
    assert np.array_equal(np.asarray(pictures.as_pictures(values)[0]), np.asarray(picture))


def test_values_out_of_range_are_cut_off():
    bright = pictures.as_pictures(torch.full((1, 3, 2, 2), 7.0))[0]
    assert np.asarray(bright).min() == 255


def test_batches_hold_training_scenes_and_follow_their_generator():
    scenes, values = pictures.batch(random.Random(1), 5)
    again, same = pictures.batch(random.Random(1), 5)
    assert scenes == again
    assert torch.equal(values, same)
    assert not any(is_held_out(scene) for scene in scenes)


def test_a_batch_in_another_style_shows_the_same_scenes():
    (scenes, flat), (same, cartoon) = (
        pictures.batch(random.Random(1), 5, style=style) for style in ("flat", "cartoon")
    )
    assert scenes == same
    drawn = random.Random(1)
    [sample_scene(drawn) for _ in range(5)]
    assert torch.equal(cartoon[0], pictures.as_tensor([draw(scenes[0], drawn.getrandbits(32), style="cartoon")])[0])
    assert not torch.equal(flat, cartoon)

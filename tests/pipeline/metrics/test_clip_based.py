import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.clip_based import cosines, paired_clip_score, sigmoid_score
from pipeline.metrics.pictures import Picture
from pipeline.metrics.readers import paired_scores

COSINES = st.floats(-1.0, 1.0)


def test_the_paired_score_equals_a_softmax_over_the_pair() -> None:
    base, ours, scale = np.array([0.25, 0.31]), np.array([0.27, 0.30]), 100.0
    logits = np.exp(scale * np.stack([base, ours]).astype(np.longdouble))
    expected = (logits[1] / logits.sum(axis=0)).astype(np.float64)
    np.testing.assert_allclose(paired_clip_score(base, ours, scale), expected, rtol=1e-12)


@given(COSINES, COSINES, st.floats(0.1, 200.0))
def test_swapped_arms_sum_to_one(base: float, ours: float, scale: float) -> None:
    one, other = np.array([base]), np.array([ours])
    total = paired_clip_score(one, other, scale) + paired_clip_score(other, one, scale)
    assert total == pytest.approx(1.0, abs=1e-12)


def test_identical_images_score_a_half() -> None:
    assert paired_clip_score(np.array([0.3]), np.array([0.3]), 100.0) == 0.5


def test_cosines_take_each_image_with_its_own_text() -> None:
    images = np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)
    texts = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    np.testing.assert_allclose(cosines(images, texts), [0.0, 0.6], atol=1e-7)


def test_only_images_with_a_partner_have_a_paired_score() -> None:
    values = {"a/00/base": 0.2, "a/00/adapted": 0.2, "a/00/complex": 0.9, "b/00/base": 0.4}
    pictures = [Picture(name, name.rpartition("/")[2], name[0], "colour", 0) for name in values]
    scores = paired_scores(values, pictures, 100.0)
    assert scores == {"a/00/adapted": 0.5, "a/00/base": 0.5}
    assert paired_scores({}, pictures, 100.0) == {}


def test_pictures_of_two_cells_are_no_pair() -> None:
    pictures = [
        Picture("x", "base", "p", "colour", 0, cell="none"),
        Picture("y", "adapted", "p", "colour", 0, cell="sag"),
    ]
    assert paired_scores({"x": 0.2, "y": 0.3}, pictures, 100.0) == {}


def test_siglips_probability_is_a_sigmoid_of_the_scaled_cosine() -> None:
    found = sigmoid_score(np.array([0.1, 0.12]), 117.0, -12.9)
    np.testing.assert_allclose(found, [1 / (1 + np.exp(1.2)), 1 / (1 + np.exp(-1.14))], rtol=1e-12)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.clip_based import cosines, paired_clip_score
from pipeline.metrics.measuring import paired_scores

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
    scores = paired_scores({"a/00/base": 0.2, "a/00/adapted": 0.2, "a/00/complex": 0.9, "b/00/base": 0.4}, 100.0)
    assert scores == {"a/00/adapted": 0.5, "a/00/base": 0.5}
    assert paired_scores({}, 100.0) == {}

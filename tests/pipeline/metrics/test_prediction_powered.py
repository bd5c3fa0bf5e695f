import numpy as np
import pytest

from pipeline.metrics.prediction_powered import of_images, ppi_mean


def _alone(count: int) -> list[str]:
    return [f"p{index}" for index in range(count)]


def test_the_mean_is_the_judges_moved_by_its_mean_error() -> None:
    labels, predictions = np.array([1.0, 0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, 1.0])
    others = np.array([1.0, 1.0, 0.0, 1.0, 1.0])
    found = ppi_mean(labels, predictions, others, _alone(9), confidence=0.95)
    assert found is not None
    assert found.mean == pytest.approx(others.mean() - (predictions - labels).mean())
    assert (found.people, found.judged) == (4, 9)


def test_with_a_group_an_image_the_spread_is_the_papers() -> None:
    """Algorithm 1: variance of the other predictions over m, and of the errors over n."""
    rng = np.random.default_rng(0)
    labels, predictions = (rng.integers(0, 2, 200).astype(float) for _ in range(2))
    others = rng.integers(0, 2, 3000).astype(float)
    found = ppi_mean(labels, predictions, others, _alone(3200), confidence=0.95)
    assert found is not None
    spread = np.sqrt(others.var() / 3000 + (predictions - labels).var() / 200)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * spread, rel=2e-3)


@pytest.mark.parametrize("flipped", [0.05, 0.3])
def test_the_interval_covers_the_truth_whatever_the_judges_noise(flipped: float) -> None:
    """Clustered images: 30 prompts of 20, a share of each right; people saw 5 of each; the judge errs to one side."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        shares = np.repeat(rng.beta(2, 2, 30), 20)
        truth = (rng.random(600) < shares).astype(float)
        judged = np.where(rng.random(600) < flipped, 1.0, truth)  # noise that says yes too often
        seen = np.tile(np.arange(20) < 5, 30)
        names = np.repeat([f"p{index}" for index in range(30)], 20)
        order = np.concatenate([np.flatnonzero(seen), np.flatnonzero(~seen)])
        found = ppi_mean(truth[seen], judged[seen], judged[~seen], names[order].tolist(), confidence=0.95)
        assert found is not None
        hits += found.low <= 0.5 <= found.high
    assert 0.92 <= hits / 400 <= 0.985


def test_a_judge_that_is_never_wrong_gives_a_narrower_interval_than_people_alone() -> None:
    truth = np.tile([1.0, 0.0], 500)
    perfect = ppi_mean(truth[:20], truth[:20], truth[20:], _alone(1000), confidence=0.95)
    useless = ppi_mean(truth[:20], np.ones(20), np.ones(980), _alone(1000), confidence=0.95)
    assert perfect is not None
    assert useless is not None
    assert perfect.high - perfect.low < 0.2 * (useless.high - useless.low)
    assert useless.mean == pytest.approx(0.5)


def test_too_few_labels_give_no_interval() -> None:
    one, two = np.ones(1), np.ones(2)
    assert ppi_mean(one, one, two, _alone(3), confidence=0.95) is None
    assert ppi_mean(two, two, np.ones(0), _alone(2), confidence=0.95) is None
    assert ppi_mean(two, two, two, ["same"] * 4, confidence=0.95) is None


def test_images_are_taken_by_who_judged_them() -> None:
    judged = {"a": True, "b": False, "c": True, "d": True}
    prompts = {name: name for name in judged}
    found = of_images(judged, {"a": True, "b": True, "elsewhere": False}, prompts, confidence=0.9)
    assert found is not None
    assert (found.people, found.judged, found.mean) == (2, 4, pytest.approx(1.5))

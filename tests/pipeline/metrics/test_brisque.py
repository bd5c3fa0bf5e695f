"""BRISQUE against definitions of its steps in plain loops, and with LIVE's own regression where its files are there.

``$SUR_BRISQUE`` names a folder with LIVE's ``allmodel`` and ``allrange``, and with the two pictures of which piq's
tests print what LIVE's release gave in MATLAB (ADR 0030): neither is ours to give.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.special import gamma

from pipeline.errors import InputError, ModelError
from pipeline.metrics import brisque
from tests.closure import ROOT

NAMED = os.environ.get("SUR_BRISQUE")
PLACES = (NAMED,) if NAMED else ("weights/brisque", "../shared/data/brisque_live")
"""Of LIVE's files, from the repository: the first is where profiles/paper.yaml looks for them."""
LIVE = next((ROOT / place for place in PLACES if (ROOT / place / "allmodel").is_file()), ROOT / PLACES[0])
needs_live = pytest.mark.skipif(
    not (LIVE / "allmodel").is_file(),
    reason=f"LIVE's files are in none of {', '.join(PLACES)} (SUR_BRISQUE names a folder)",
)
MATLAB = {"goldhill.gif": 8.425548, "I01.BMP": 10.259409}


def _scene(side: int = 96, seed: int = 0) -> Image.Image:
    """Smooth shapes with texture: nearer to a photograph than noise."""
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    parts = [np.asarray(noise.filter(ImageFilter.GaussianBlur(radius)), np.float64) for radius in (1, 4, 12)]
    mixed = sum((part - part.mean()) / part.std() for part in parts)
    return Image.fromarray(np.clip(128 + 30 * mixed, 0, 255).astype(np.uint8))


def _luma(seed: int = 0) -> np.ndarray:
    return brisque.grey(_scene(24, seed))


def test_grey_is_matlabs_rgb2gray_rounded():
    picture = Image.new("RGB", (1, 3))
    picture.putdata([(255, 0, 0), (0, 255, 0), (10, 20, 30)])
    assert brisque.grey(picture).ravel().tolist() == [76.0, 150.0, 18.0]


def test_coefficients_equal_their_definition_pixel_by_pixel():
    luma = _luma()
    x = np.arange(-3, 4)
    window = np.exp(-(x[:, None] ** 2 + x**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    padded, expected = np.pad(luma, 3), np.empty_like(luma)
    for row in range(luma.shape[0]):
        for column in range(luma.shape[1]):
            part = padded[row : row + 7, column : column + 7]
            mean = (window * part).sum()
            deviation = np.sqrt(abs((window * part**2).sum() - mean**2))
            expected[row, column] = (luma[row, column] - mean) / (deviation + 1)
    np.testing.assert_allclose(brisque.normalised(luma), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("length", [7, 8])
def test_half_size_equals_matlabs_kernel_tap_by_tap(length):
    values = np.random.default_rng(0).random(length)

    def cubic(x):
        x = abs(x)
        return 1.5 * x**3 - 2.5 * x**2 + 1 if x <= 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0

    def mirrored(at):
        at %= 2 * length
        return values[at] if at < length else values[2 * length - 1 - at]

    expected = []
    for new in range(-(-length // 2)):
        centre = 2 * new + 0.5  # from 0, in old pixels
        taps = [(cubic((centre - at) / 2), mirrored(at)) for at in range(2 * new - 4, 2 * new + 6)]
        expected.append(sum(weight * value for weight, value in taps) / sum(weight for weight, _ in taps))
    np.testing.assert_allclose(brisque.halved(np.tile(values, (4, 1)))[0], expected, rtol=1e-12)


def test_a_plain_picture_stays_plain_at_half_size():
    np.testing.assert_allclose(brisque.halved(np.full((9, 12), 7.0)), np.full((5, 6), 7.0), rtol=1e-12)


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 5.0])
def test_the_shape_of_a_generalised_gaussian_is_found_again(shape):
    rng = np.random.default_rng(0)
    values = rng.gamma(1 / shape, size=400_000) ** (1 / shape) * rng.choice([-1, 1], 400_000)
    found, variance = brisque.symmetric_fit(values)
    assert found == pytest.approx(shape, rel=0.05)
    assert variance == pytest.approx(gamma(3 / shape) / gamma(1 / shape), rel=0.02)


def test_both_sides_of_an_asymmetric_gaussian_are_found_again():
    rng = np.random.default_rng(0)
    left, right = 1.0, 3.0
    side = rng.random(400_000) < left / (left + right)
    values = np.abs(rng.normal(size=400_000)) * np.where(side, -left, right)
    shape, mean, low, high = brisque.asymmetric_fit(values)
    assert (shape, low) == (pytest.approx(2.0, rel=0.03), pytest.approx(1.0, rel=0.02))
    assert high == pytest.approx(9.0, rel=0.02)
    assert mean == pytest.approx(values.mean(), rel=0.02)


def test_there_are_36_features_whose_pairs_come_from_four_neighbours():
    luma = _luma()
    found = brisque.features(luma)
    assert found.shape == (36,)
    coefficients = brisque.normalised(luma)
    assert found[:2].tolist() == list(brisque.symmetric_fit(coefficients))
    shifted = [np.roll(coefficients, shift, (0, 1)) for shift in ((0, 1), (1, 0), (1, 1), (-1, 1))]
    pairs = [brisque.asymmetric_fit(coefficients * each) for each in shifted]
    np.testing.assert_array_equal(found[2:18], np.concatenate(pairs))
    np.testing.assert_array_equal(found[18:], brisque.features(brisque.halved(luma))[:18])


def test_a_black_picture_has_features_without_a_spread():
    found = brisque.features(np.zeros((32, 32)))
    assert np.isfinite(found).all()
    assert set(found) == {0.2, 0.0}


def test_products_of_one_sign_have_features():
    assert brisque.asymmetric_fit(np.array([-1.0, -2.0]))[3] == 0.0
    assert brisque.asymmetric_fit(np.array([1.0, 2.0]))[2] == 0.0


def test_the_regression_is_a_sum_of_gaussians_around_support_vectors():
    low, high = np.zeros(36), np.full(36, 2.0)
    support = np.stack([np.zeros(36), np.full(36, 0.5)])
    regression = brisque.Regression(low, high, support, np.array([2.0, -1.0]), 0.05, -10.0)
    expected = 2 * np.exp(-0.05 * 36 * 0.04) - np.exp(-0.05 * 36 * 0.09) + 10
    assert regression(np.full(36, 1.2)) == pytest.approx(expected, rel=1e-12)


def test_a_picture_that_is_too_small_is_refused():
    regression = brisque.Regression(np.zeros(36), np.ones(36), np.zeros((1, 36)), np.ones(1), 0.05, 0.0)
    with pytest.raises(InputError, match="16 pixels a side"):
        brisque.brisque(Image.new("RGB", (15, 40)), regression)


def _write(folder: Path, *, kernel: str = "rbf", vectors: int = 1) -> Path:
    folder.mkdir()
    head = f"svm_type epsilon_svr\nkernel_type {kernel}\ngamma 0.05\nnr_class 2\ntotal_sv {vectors}\nrho -1\nSV\n"
    (folder / "allmodel").write_text(head + "2 1:0.5 36:-1 \n")
    (folder / "allrange").write_text("x\n-1 1\n" + "".join(f"{at} 0 {at}\n" for at in range(1, 37)))
    return folder


def test_libsvms_files_are_read(tmp_path):
    found = brisque.load(_write(tmp_path / "live"))
    assert (found.support[0, 0], found.support[0, 35], found.support[0, 1]) == (0.5, -1.0, 0.0)
    assert (found.weights.tolist(), found.kernel_width, found.rho, found.high[35]) == ([2.0], 0.05, -1.0, 36.0)


def test_another_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"weights .*allmodel missing"):
        brisque.load(tmp_path)
    with pytest.raises(ModelError, match="does not hold LIVE's BRISQUE model: not an epsilon_svr"):
        brisque.load(_write(tmp_path / "linear", kernel="linear"))
    with pytest.raises(ModelError, match="1 support vectors, not 7"):
        brisque.load(_write(tmp_path / "short", vectors=7))


@needs_live
def test_lives_release_is_the_one_that_the_papers_profile_names():
    assert brisque.revision(LIVE) == "e18c84066eed485a"
    regression = brisque.load(LIVE)
    assert (len(regression.weights), regression.rho, regression.kernel_width) == (774, -153.591, 0.05)
    assert set(np.abs(regression.weights).round(6)) >= {1024.0}
    assert (regression.low[0], regression.high[0]) == (0.338, 10.0)


@needs_live
def test_blur_and_noise_make_it_worse():
    regression, scene = brisque.load(LIVE), _scene(128)
    rng = np.random.default_rng(1)
    blurred = [brisque.brisque(scene.filter(ImageFilter.GaussianBlur(radius)), regression) for radius in (0, 1.5, 3)]
    noisy = [
        brisque.brisque(
            Image.fromarray(np.clip(np.asarray(scene) + rng.normal(0, spread, (128, 128, 3)), 0, 255).astype(np.uint8)),
            regression,
        )
        for spread in (0, 25, 60)
    ]
    assert blurred[0] < blurred[1] < blurred[2]
    assert noisy[0] < noisy[1] < noisy[2]


@needs_live
@pytest.mark.parametrize("name", MATLAB)
def test_reference_pictures_have_matlabs_values(name):
    if not (LIVE / name).is_file():
        pytest.skip(f"{name} does not lie in the folder of LIVE's files")
    with Image.open(LIVE / name) as opened:
        shown = opened.convert("RGB")
    assert brisque.brisque(shown, brisque.load(LIVE)) == pytest.approx(MATLAB[name], rel=1e-4)

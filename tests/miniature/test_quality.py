import random

import numpy as np
import pytest
from PIL import Image
from scipy.special import ndtr

from miniature import degrading, oracle
from miniature import quality as module
from miniature.quality import quality
from miniature.world import Group, Scene, any_scene, draw

SCENES = (
    Scene((Group(1, "circle", "red"),), "blue"),
    Scene((Group(7, "star", "yellow"),), "black"),
    Scene((Group(2, "person", "green", "running"),), "white"),
    Scene((Group(2, "square", "purple"), Group(3, "heart", "orange")), "grey"),
)


@pytest.fixture(params=SCENES, ids=str)
def drawn(request):
    return draw(request.param, 4)


def _noisy(image, deviation):
    return degrading.noisy(image, deviation, np.random.default_rng(0))


def _pixels(levels):
    return np.repeat(np.asarray(levels, np.float64)[..., None], 3, axis=-1)


def test_drawn_pictures_are_as_good_as_it_gets_whatever_they_show():
    rng = random.Random(3)
    found = [quality(draw(any_scene(rng), rng.getrandbits(32))) for _ in range(80)]
    assert min(found) > 0.9
    assert max(found) <= 1
    assert np.std(found) < 0.02


def test_blur_lowers_it(drawn):
    found = [quality(degrading.blurred(drawn, radius)) for radius in (0, 1, 1.5, 2, 2.5, 3)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)
    assert found[-1] < 0.2


def test_noise_lowers_it(drawn):
    found = [quality(_noisy(drawn, deviation)) for deviation in (0, 2, 5, 10, 20, 40)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)
    assert found[-1] < 0.2


def test_blur_and_noise_together_are_worse_than_each(drawn):
    soft = degrading.blurred(drawn, 1.5)
    assert quality(_noisy(soft, 10)) < min(quality(soft), quality(_noisy(drawn, 10)))


@pytest.mark.parametrize("spread", [0.5, 1.0, 4.0, 9.0])
def test_softness_is_the_squared_width_of_an_edge_whatever_its_height(spread):
    edge = np.tile(ndtr((np.arange(64) - 31.3) / np.sqrt(spread)), (64, 1))
    low, high = (module.softness(_pixels(20 + height * edge), 0.0) for height in (30, 200))
    assert low == pytest.approx(high)
    assert 0 <= low + module._DRAWN_SPREAD - spread <= 0.16 + 0.1 * spread  # pixels beside the edge count a little


def test_noise_does_not_make_edges_look_soft_or_crisp():
    rng = np.random.default_rng(1)
    edge = _pixels(np.tile(20 + 200 * ndtr((np.arange(64) - 31.3) / 1.5), (64, 1)))
    found = module.softness(edge + rng.normal(0, 25, edge.shape), 3 * 25.0**2)
    assert found == pytest.approx(1.5**2 - module._DRAWN_SPREAD, rel=0.3)


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.4, 2.0])
def test_the_slope_of_noise_is_what_noise_shows(scale):
    noise = np.random.default_rng(0).normal(0, 1, (400, 400, 3))
    found = module._squared_slopes(noise, scale)[8:-8, 8:-8].mean() / 3
    assert found == pytest.approx(module._slope_of_noise(scale), rel=0.03)


@pytest.mark.parametrize(("ground", "most"), [(2.0, 0.7), (128.0, 1.05), (250.0, 0.7)])
def test_roughness_is_the_deviation_of_the_noise_even_where_half_of_it_is_cut_off(ground, most):
    levels = (ground + np.random.default_rng(0).normal(0, 30, (64, 64, 3))).clip(0, 255)
    assert levels.std() < most * 30
    assert module.roughness(module._residuals(levels)) == pytest.approx(30, rel=0.2)


def test_a_picture_without_edges_can_only_be_rough():
    plain = Image.new("RGB", (64, 64), (30, 75, 215))
    assert quality(plain) == 1
    assert quality(_noisy(plain, 11)) == pytest.approx(0.5, abs=0.05)


def test_a_picture_that_only_fades_or_only_flickers_has_no_quality():
    fading = Image.fromarray(np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1)))
    flickering = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert 0 <= quality(fading) < 0.05
    assert 0 <= quality(Image.fromarray(flickering)) < 0.05


def test_an_enlarged_picture_is_a_soft_one_and_a_large_drawn_one_is_not():
    assert quality(draw(SCENES[0], 4, side_px=128)) > 0.9
    assert quality(draw(SCENES[0], 4).resize((128, 128), Image.Resampling.BICUBIC)) < 0.75


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_every_kind_and_size_of_image_has_a_quality(mode):
    for side in (1, 8, 33):
        assert 0 <= quality(draw(SCENES[3], 1).resize((side, side)).convert(mode)) <= 1


def test_the_judge_of_the_miniature_rates_pictures():
    assert oracle.quality is quality

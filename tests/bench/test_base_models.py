import pytest

from bench import base_models
from bench.random_diffusion import SHAPES
from tests.closure import ROOT


def test_stable_diffusion_15_costs_what_is_known_of_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    told = base_models.counted(SHAPES["sd15"])
    assert told["unet_m"] == pytest.approx(859.521, abs=1e-3)
    assert told["unet_tflop"] == pytest.approx(0.803, abs=1e-3)
    assert told["unet_and_back_tflop"] == pytest.approx(1.669, abs=1e-3)
    assert told["encode_tflop"] == pytest.approx(1.117, abs=1e-3)
    assert told["text_tflop"] == pytest.approx(0.0133, abs=1e-4)
    assert told["latents_kb"] == pytest.approx(131.072)
    assert told["adapter_m"] == pytest.approx(14.0, abs=0.1)

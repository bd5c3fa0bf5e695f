import pytest

from pipeline import engine, operating, ray_engine
from pipeline.engine import ComputeParams
from pipeline.errors import SettingError
from pipeline.params import load
from pipeline.ray_pool import RayParams
from tests.closure import ROOT


def test_the_device_is_the_named_one(monkeypatch):
    config = ComputeParams.model_construct(device="cpu", threads=1)
    assert engine.device(config) == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert engine.device(config.model_copy(update={"device": "auto"})) == "cuda"
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert engine.device(config.model_copy(update={"device": "auto"})) == "cpu"


def test_a_unit_has_as_many_rows_as_a_batch_or_as_the_search_may_take():
    assert engine.unit(7) == 7
    assert engine.unit("auto") == operating.LARGEST_BATCH


def chosen(**changes):
    return load(ComputeParams, "compute", ROOT / "params.yaml").model_copy(update=changes)


def test_the_engine_is_the_named_one(monkeypatch):
    assert engine.runner(chosen()) is operating.local
    monkeypatch.setattr(ray_engine, "runner", lambda pool: pool)
    assert engine.runner(chosen(engine="ray")) == chosen().ray


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda:1"])
def test_a_device_that_an_actor_with_a_gpu_of_its_own_cannot_have_is_refused(device):
    pool = RayParams(address=None, actors=1, cpus_per_actor=1, gpus_per_actor=1)
    says = f"^compute.device is {device}, but compute.ray.gpus_per_actor is 1: Ray chooses"
    with pytest.raises(SettingError, match=says):
        engine.runner(chosen(engine="ray", device=device, ray=pool))

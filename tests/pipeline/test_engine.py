from pipeline import engine, operating
from pipeline.engine import ComputeParams


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

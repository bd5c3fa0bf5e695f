import numpy as np
import pytest
import torch

from pipeline.training_weights import Best, Weights
from tests.pipeline.training_setup import recipe


class Registered:
    """Stands for an Accelerator: notes what is registered."""

    def __init__(self):
        self.objects = []

    def register_for_checkpointing(self, *objects):
        self.objects += objects


def parameter(*values):
    return torch.nn.Parameter(torch.tensor(values))


def made(*parameters, **train):
    accelerator = Registered()
    return Weights(parameters, recipe(**train).train, accelerator), accelerator.objects


def test_without_average_and_best_nothing_is_kept_and_the_last_step_counts():
    one = parameter(1.0)
    weights, objects = made(one)
    weights.step()
    with weights.used():
        weights.measured(1, {"val/denoising": 0.5})
    assert (weights.settle(), one.item(), objects) == (6, 1.0, [])


def test_the_moving_average_equals_its_definition():
    one, decay = parameter(1.0, -2.0), 0.5
    weights, objects = made(one, ema_decay=decay)
    draw, average = np.random.default_rng(0), np.array([1.0, -2.0])
    for step in range(20):
        value = draw.normal(size=2)
        one.data.copy_(torch.from_numpy(value))
        weights.step()
        kept = 0.0 if step == 0 else min(decay, (1 + step) / (10 + step))  # the first step has no past
        average = kept * average + (1 - kept) * value
    assert weights.settle() == 6
    assert one.tolist() == pytest.approx(average.tolist(), rel=1e-5)
    assert objects == [weights.average]


def test_the_average_is_used_for_measuring_and_put_back():
    one = parameter(1.0)
    weights, _ = made(one, ema_decay=0.9)
    weights.step()
    one.data.fill_(3.0)
    with weights.used():
        assert one.item() == 1.0
    assert one.item() == 3.0
    with pytest.raises(RuntimeError), weights.used():
        raise RuntimeError
    assert one.item() == 3.0


@pytest.mark.parametrize(("metric", "best"), [("val/denoising", 2), ("val/clip_score", 4)])
def test_the_best_step_by_the_named_metric_is_left(metric, best):
    one = parameter(0.0)
    weights, objects = made(one, keep="best", metric=metric, sample_every=1)
    for step, value in enumerate((0.4, 0.2, 0.2, 0.9), start=1):
        one.data.fill_(float(step))
        weights.measured(step, {metric: value})
        weights.measured(step, {"train/total": -9.0})
    one.data.fill_(7.0)
    assert (weights.settle(), one.item()) == (best, float(best))
    assert objects == [weights.best]


def test_the_best_average_is_the_average_of_its_step():
    one = parameter(0.0)
    weights, _ = made(one, keep="best", ema_decay=0.5)
    for step, value in enumerate((0.1, 0.3), start=1):
        one.data.fill_(float(step))
        weights.step()
        with weights.used():
            weights.measured(step, {"val/denoising": value})
    assert weights.settle() == 1
    assert one.item() == 1.0


def test_the_best_survives_a_checkpoint():
    first, second = Best("val/denoising"), Best("val/denoising")
    first.offer(3, {"val/denoising": 0.5}, [parameter(4.0)])
    second.load_state_dict(first.state_dict())
    second.offer(4, {"val/denoising": 0.6}, [parameter(5.0)])
    one = parameter(0.0)
    assert (second.copy_to([one]), one.item()) == (3, 4.0)


def test_the_best_of_nothing_is_told():
    with pytest.raises(ValueError, match="val/denoising was never measured"):
        Best("val/denoising").copy_to([parameter(0.0)])

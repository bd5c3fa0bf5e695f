import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from pipeline import training_optimiser
from pipeline.errors import SettingError
from pipeline.training_optimiser import Pace, groups, optimiser, part_norms, set_rate
from tests.pipeline.training_setup import recipe


def one_group(**train):
    return groups([nn.Parameter(torch.zeros(1))], [], recipe(**train).train)


def test_the_unets_rate_follows_the_adapters_schedule_at_its_own_height():
    one, other = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.ones(1))
    config = recipe(learning_rate=0.5, unet_learning_rate=0.125).train
    made = optimiser(groups([one], [other], config), config, "cpu")
    set_rate(made, 0.1)
    assert [group["lr"] for group in made.param_groups] == [0.1, 0.025]
    assert [group["params"] for group in made.param_groups] == [[one], [other]]
    same = recipe(learning_rate=0.5).train
    assert [group["relative_rate"] for group in groups([one], [other], same)] == [1.0, 1.0]


def test_a_part_that_is_not_there_is_no_group():
    other = nn.Parameter(torch.ones(1))
    assert [group["params"] for group in groups([], [other], recipe().train)] == [[other]]


def test_adamw_takes_rate_and_decay():
    made = optimiser(one_group(), recipe(learning_rate=0.5, weight_decay=0.25).train, "cpu")
    assert type(made) is torch.optim.AdamW
    assert (made.defaults["lr"], made.defaults["weight_decay"]) == (0.5, 0.25)


def test_eight_bits_without_a_gpu_are_refused():
    with pytest.raises(SettingError, match=r"train\.optimiser: adamw8bit needs a CUDA GPU, this training runs on cpu"):
        optimiser([], recipe(optimiser="adamw8bit").train, "cpu")


def test_eight_bits_without_the_extra_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    with pytest.raises(SettingError, match=r"needs the extra quantised: pip install '\.\[quantised\]'"):
        optimiser([], recipe(optimiser="adamw8bit").train, "cuda:0")


def test_eight_bits_are_bitsandbytes(monkeypatch):
    module = ModuleType("bitsandbytes.optim")
    module.AdamW8bit = torch.optim.AdamW  # takes the same arguments
    monkeypatch.setitem(sys.modules, "bitsandbytes", ModuleType("bitsandbytes"))
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", module)
    made = optimiser(one_group(), recipe(optimiser="adamw8bit", learning_rate=0.5).train, "cuda")
    assert made.defaults["lr"] == 0.5


def test_norms_of_parts_are_those_of_their_gradients_and_make_up_the_whole():
    torch.manual_seed(0)
    module = nn.ModuleDict({"one": nn.Linear(3, 3), "two": nn.Linear(3, 2), "idle": nn.Linear(1, 1), "none": nn.ReLU()})
    module["two"](module["one"](torch.randn(4, 3))).square().sum().backward()
    norms = part_norms({name: [*part.parameters()] for name, part in module.named_children()})
    assert set(norms) == {"one", "two"}
    grads = [parameter.grad.double() for parameter in module["one"].parameters()]
    assert norms["one"] == pytest.approx(sum(float(grad.square().sum()) for grad in grads) ** 0.5, rel=1e-5)
    whole = torch.nn.utils.get_total_norm([each.grad for each in module.parameters() if each.grad is not None])
    assert sum(norm**2 for norm in norms.values()) == pytest.approx(float(whole) ** 2, rel=1e-5)


def test_the_pace_is_told_in_images_and_in_the_share_of_loading(monkeypatch):
    times = iter([0.0, 1.0, 1.5, 10.0])
    monkeypatch.setattr(training_optimiser.time, "perf_counter", lambda: next(times))
    pace = Pace()
    assert str(pace) == "nothing was left to train"
    with pace.step(25), pace.loading():
        pass
    assert str(pace) == "2.5 images/s, loading 5.0 %"

from collections import Counter

import pytest
import torch

from pipeline.engine import ComputeParams
from pipeline.errors import SettingError
from pipeline.params import load
from pipeline.text_encoding import TextStates
from pipeline.training_unet import prepared
from tests.closure import ROOT
from tests.pipeline import tiny_models


def with_unet(**changes):
    compute = load(ComputeParams, "compute", ROOT / "params.yaml").model_copy(update=changes)
    return prepared(tiny_models.load(), compute)


def gradient(model):
    """Of a denoising error to the condition."""
    generator = torch.Generator().manual_seed(0)
    condition = torch.randn((2, 77, tiny_models.WIDTH), generator=generator).requires_grad_()
    said = model.predict(torch.randn((2, 4, 8, 8), generator=generator), torch.tensor([1, 900]), TextStates(condition))
    said.square().sum().backward()
    return condition.grad


def counted(model):
    """How often each attention block begins, counted while the model runs."""
    from diffusers.models.attention import BasicTransformerBlock

    began = Counter()
    for name, module in model.unet.named_modules():
        if isinstance(module, BasicTransformerBlock):
            module.register_forward_pre_hook(lambda *_, name=name: began.update([name]))
    return began


def remembered(model):
    """Gradient, and the numbers that are kept for the backward pass."""
    kept = []

    def keep(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        return gradient(model), sum(kept)


def test_checkpointing_computes_again_and_gives_the_same_gradient():
    model = with_unet(gradient_checkpointing=True)
    began = counted(model)
    assert torch.equal(gradient(model), gradient(with_unet()))
    assert set(began.values()) == {2}


def test_checkpointing_keeps_less_for_the_backward_pass():
    plain, kept = remembered(with_unet())
    again, less = remembered(with_unet(gradient_checkpointing=True))
    assert torch.equal(plain, again)
    assert less < 0.7 * kept


def test_without_gradients_checkpointing_computes_nothing_again():
    model = with_unet(gradient_checkpointing=True)
    began = counted(model)
    with torch.no_grad():
        text = TextStates(torch.zeros(1, 77, tiny_models.WIDTH))
        model.predict(torch.zeros(1, 4, 8, 8), torch.tensor([5]), text)
    assert set(began.values()) == {1}


def test_channels_last_lays_the_weights_out_and_changes_rounding_alone():
    model = with_unet(channels_last=True)
    assert model.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(gradient(model), gradient(with_unet()), atol=1e-5)


def test_compiling_reaches_torch_for_the_unet(monkeypatch):
    compiled = []

    def compile_(function, **options):
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, "compile", compile_)
    model = with_unet(compile=True)
    assert compiled[1].__self__ is model.unet
    assert not torch._dynamo.config.skip_nnmodule_hook_guards
    assert not any(parameter.requires_grad for parameter in model.unet.parameters())
    assert torch.equal(gradient(model), gradient(with_unet()))


def test_where_torch_cannot_compile_one_line_says_so(monkeypatch):
    def refuse(function):
        raise RuntimeError("No working C++ compiler found\nand a long story")

    monkeypatch.setattr(torch, "compile", refuse)
    message = r"^compute\.compile: torch cannot compile here: No working C\+\+ compiler found: take false$"
    with pytest.raises(SettingError, match=message):
        with_unet(compile=True)


def test_attention_is_torchs_scaled_dot_product():
    processors = {type(each).__name__ for each in tiny_models.load().unet.attn_processors.values()}
    assert processors == {"AttnProcessor2_0"}

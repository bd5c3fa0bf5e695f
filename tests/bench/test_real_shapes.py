import pytest
import torch

from bench import operator_inputs, real_shapes
from bench.scale.architectures import LLAMA


def test_small_shapes_run_through_our_operators(capsys):
    real_shapes.main(["--tiny"])
    figures = dict(line.split() for line in capsys.readouterr().out.splitlines())
    for name in ("blip", "clip", "llama_tiny"):
        assert float(figures[f"{name}_a_s"]) > 0
        assert float(figures[f"{name}_one_at_a_time_a_s"]) > 0
        assert not [figure for figure in figures if figure.startswith(name) and "share" in figure]
    assert float(figures["blip_batch"]) == 64
    assert float(figures["llama_tiny_all_layers_against_one"]) > 0


def test_without_a_gpu_it_says_so_and_ends(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="needs a CUDA GPU, and there is none here"):
        real_shapes.main([])


def test_a_model_that_does_not_fit_is_left_out(monkeypatch, capsys):
    def too_large(*_arguments):
        raise torch.OutOfMemoryError

    for name in ("run_blip", "run_llama"):
        monkeypatch.setattr(real_shapes, name, too_large)
    monkeypatch.setattr(real_shapes, "run_clip", lambda *_arguments: {"clip_a_s": 1.0})
    assert real_shapes.run(operator_inputs.tiny(), "cpu") == {"clip_a_s": 1.0}
    assert "blip does not fit the card's memory: left out" in capsys.readouterr().err


def test_on_a_gpu_figures_are_kept(monkeypatch, capsys):
    kept = {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(real_shapes, "run", lambda shapes, device: {f"{device}_{shapes.blip.model_type}": 1.0})
    monkeypatch.setattr(real_shapes.results, "save", kept.setdefault)
    real_shapes.main([])
    assert kept == {"real_shapes": {"cuda_blip": 1.0}}


def test_the_share_is_flop_over_time_and_peak(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    figures = real_shapes.with_share({"blip_a_s": 1000.0}, "blip", 98.9e9, "cuda")
    assert figures["blip_share_of_peak"] == pytest.approx(0.1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card of next year")
    assert "blip_share_of_peak" not in real_shapes.with_share({"blip_a_s": 1.0}, "blip", 1.0, "cuda")


def test_prompts_have_the_captions_mean_length():
    rows, lengths = operator_inputs.prompt_rows(2000, 32_000)
    assert sum(lengths) / len(lengths) == pytest.approx(13.3, abs=0.3)
    assert len(set(rows.column("key").to_pylist())) == 2000
    assert len(set(lengths)) > 5


def test_the_real_shapes_are_the_papers():
    shapes = operator_inputs.real()
    assert set(shapes.llamas) == {"7B", "13B"}
    assert real_shapes.shape_of(shapes.llamas["13B"]) == LLAMA["13B"]
    assert shapes.blip.vision_config.image_size == 384
    assert shapes.clip["vision_cfg"]["patch_size"] == 32

import pytest
import torch

from bench import random_diffusion, training, training_figures
from bench.real_run import shapes
from tests.pipeline import model_kinds, tiny_models
from tests.pipeline.training_setup import process, recipe


def test_the_random_model_has_the_real_shape():
    model = random_diffusion.stable_diffusion(random_diffusion.SHAPES["sd15"], device="meta", dtype=torch.bfloat16)
    count = sum(parameter.numel() for parameter in model.unet.parameters())
    assert count == 859_520_964
    assert sum(parameter.numel() for parameter in model.text_encoder.parameters()) == 123_060_480
    assert sum(parameter.numel() for parameter in model.codec.vae.parameters()) == 83_653_863
    assert (model.codec.side_factor, model.text_width, model.timesteps) == (8, 768, 1000)
    assert model.tokenizer(["two circles"], padding="max_length").input_ids[0][0] == 0


@pytest.mark.parametrize(
    ("name", "unet", "texts", "width"),
    [("sd21", 865_910_724, [340_387_840], 1024), ("sdxl", 2_567_463_684, [123_060_480, 694_659_840], 2048)],
)
def test_the_other_random_models_have_their_real_shapes(name, unet, texts, width):
    shape = random_diffusion.SHAPES[name]
    model = random_diffusion.stable_diffusion(shape, device="meta", dtype=torch.bfloat16)
    parts = [part for part in (model.text_encoder, model.text_encoder_2) if part is not None]
    counts = [sum(parameter.numel() for parameter in part.parameters()) for part in (model.unet, *parts)]
    assert counts == [unet, *texts]
    assert (model.text_width, model.unet.config.sample_size * model.codec.side_factor) == (width, shape.side_px)


@pytest.mark.parametrize("name", sorted(random_diffusion.SHAPES))
def test_text_flows_through_each_real_shape_to_the_unet_and_back(name):
    model = random_diffusion.stable_diffusion(random_diffusion.SHAPES[name], device="meta", dtype=torch.float32)
    text = model.text_states(["a red square", "two"])
    text.states.requires_grad_()
    said = model.predict(torch.empty(2, 4, 16, 16, device="meta"), torch.zeros(2, device="meta"), text)
    said.sum().backward()
    assert said.shape == (2, 4, 16, 16)
    assert text.states.grad.shape == (2, 77, model.text_width)


@pytest.mark.parametrize("kind", model_kinds.KINDS)
def test_all_ways_run_with_every_kind_of_base_model(tmp_path, kind):
    process()
    contest = training.Contest(
        model_kinds.load(kind), recipe(batch_size=2), side=tiny_models.SIDE, device="cpu", folder=tmp_path
    )
    before = contest.trainer.adapter.g.weight.clone()
    contest.bare()
    assert torch.equal(contest.trainer.adapter.g.weight, before)
    for way in (contest.ours, contest.authors):
        way()
        assert not torch.equal(contest.trainer.adapter.g.weight, before)
        before = contest.trainer.adapter.g.weight.clone()


FOUND = {
    "ours": {"flops": 2e12, "seconds": 2.0, "processor_seconds": 4.0},
    "authors": {"flops": 3e12, "seconds": 9.0, "processor_seconds": 5.4},
    "bare": {"flops": 1e12, "seconds": 1.5, "processor_seconds": 3.0},
}
PEAKS = {"ours": 5e8, "authors": 1e9, "bare": 1e8}
ON_GPU = {name: {**FOUND[name], "peak_bytes": peak} for name, peak in PEAKS.items()}


def test_ratios_are_the_authors_way_over_ours_by_the_processors_own_time():
    told = training_figures.figures(FOUND, 8, None)
    assert told["ratio_by_flops"] == 1.5
    assert told["ratio_reached"] == pytest.approx(1.35)
    assert told["share_of_flop_ratio"] == pytest.approx(0.9)
    assert told["share_of_bare_rate"] == 0.75
    assert told["ours_images_a_s"] == 4.0
    assert not [name for name in told if "peak" in name]


def test_on_a_gpu_time_is_the_walls_and_memory_and_the_cards_peak_are_told():
    told = training_figures.figures(ON_GPU, 8, 2e12)
    assert told["ratio_reached"] == 4.5
    assert told["peak_memory_ratio"] == 0.5
    assert (told["ours_peak_mb"], told["authors_peak_mb"], told["bare_peak_mb"]) == (500.0, 1000.0, 100.0)
    assert told["share_of_card_peak"] == 0.5


def test_checkpointing_is_told_apart_against_ours_and_against_the_authors_way():
    again = {"flops": 3e12, "seconds": 2.5, "processor_seconds": 5.0, "peak_bytes": 3e8}
    told = training_figures.with_checkpointing(ON_GPU, again, 8)
    assert told["checkpointing_images_a_s"] == pytest.approx(3.2)
    assert told["checkpointing_time_ratio"] == 1.25
    assert told["checkpointing_memory_ratio"] == pytest.approx(0.6)
    assert told["checkpointing_memory_to_authors"] == pytest.approx(0.3)
    del again["peak_bytes"]
    assert training_figures.with_checkpointing(FOUND, again, 8)["checkpointing_time_ratio"] == 1.25


def test_every_goal_is_judged_or_said_to_be_unmeasured():
    lines = list(training_figures.verdicts({"ratio_reached": 1.29, "peak_memory_ratio": 1.0}, training_figures.ON_GPU))
    assert lines[:3] == [
        "goal: ratio_reached >= 1.3: 1.290, MISSED",
        "goal: peak_memory_ratio <= 1: 1.000, reached",
        "goal: share_of_bare_rate >= 0.85: not measured",
    ]


def test_a_known_cards_peak_is_that_of_the_number_format(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    assert training_figures.card_peak("cuda", "bf16") == 989e12
    assert training_figures.card_peak("cuda:0", "fp32") == 67e12
    assert training_figures.card_peak("cpu", "bf16") is None
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card of next year")
    assert training_figures.card_peak("cuda", "bf16") is None


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The real shape's command on tiny widths; memory as a GPU would tell it, the same in all ways."""
    process("bf16")
    monkeypatch.setitem(random_diffusion.SHAPES, "sd15", shapes.tiny().diffusion)
    kept = {}
    monkeypatch.setattr(training.results, "save", lambda name, told: kept.update({name: told}) or tmp_path)
    once = training_figures.once
    monkeypatch.setattr(training_figures, "once", lambda way, device: {**once(way, device), "peak_bytes": 1e9})
    yield kept
    process()


def test_the_command_of_the_real_shape_prints_every_figure_that_has_a_goal(small, capsys):
    training.main(["--real-shape", "--batch", "2", "--rounds", "1", "--peak-tflops", "1"])
    told = small["training_real_shape"]
    assert set(training_figures.ON_GPU) < set(told)
    assert {"ours_images_a_s", "authors_peak_mb", "checkpointing_time_ratio", "share_of_card_peak"} < set(told)
    assert all(value >= 0 for value in told.values())
    printed = capsys.readouterr().out
    assert printed.count("goal: ") == len(training_figures.ON_GPU)
    assert "not measured" not in printed
    assert told["peak_memory_ratio"] == 1.0


def test_defaults_are_those_of_the_goals():
    asked = training._arguments(["--real-shape", "--device", "cuda"])
    assert (asked.batch, asked.dtype) == (16, "bf16")
    asked = training._arguments([])
    assert (asked.batch, asked.dtype, asked.device) == (32, "fp32", "cpu")

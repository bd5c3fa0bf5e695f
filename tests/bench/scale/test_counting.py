import pytest
import torch
from transformers import BlipConfig, BlipForConditionalGeneration

from bench.results import FOLDER
from bench.scale import architectures, counting
from bench.scale.architectures import LLAMA, LlamaShape
from pipeline.files import read_json

TERA = 1e12


@pytest.fixture(scope="module")
def figures():
    return counting.all_figures()


@pytest.mark.parametrize(
    ("piece", "tflop"),
    [("unet", 0.803), ("unet_to_text", 1.669), ("vae_encode", 1.117), ("vae_decode", 2.515), ("text", 0.0133)],
)
def test_stable_diffusion_costs_what_the_reference_counted(figures, piece, tflop):
    assert figures[piece] / TERA == pytest.approx(tflop, rel=0.01)


def test_the_unet_has_the_parameters_of_stable_diffusion_1_5():
    assert sum(weight.numel() for weight in architectures.unet().parameters()) / 1e6 == pytest.approx(859.5, abs=0.1)


@pytest.mark.parametrize(("size", "billions"), [("7B", 6.7), ("13B", 13.0), ("33B", 32.5)])
def test_llamas_have_their_parameters_and_cost_twice_these_a_token(figures, size, billions):
    head = architectures.LLAMA_VOCABULARY * LLAMA[size].width
    body = sum(weight.numel() for weight in architectures.llama(LLAMA[size]).parameters())
    assert body + head == LLAMA[size].parameters
    assert (body + head) / 1e9 == pytest.approx(billions, rel=0.01)
    assert figures[f"llama_{size}"] == pytest.approx(2 * (body - head) * counting.PROMPT_TOKENS, rel=0.01)


def test_half_the_layers_cost_half(figures):
    assert figures["llama_13B_layer_20"] == pytest.approx(figures["llama_13B"] / 2, rel=1e-6)


def test_the_mean_over_lengths_is_the_mean_of_passes():
    shape = LlamaShape(2, 16, 2, 24)
    passes = [counting.llama_pass(shape, length) for length in (3, 11)]
    assert counting.llama_mean(shape, [3, 11]) == pytest.approx(sum(passes) / 2)
    assert counting.llama_prompt(shape, 3.5) == pytest.approx(
        (counting.llama_pass(shape, 3) + counting.llama_pass(shape, 4)) / 2
    )


def test_a_beam_search_is_counted_as_generate_runs_it():
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": 1, "eos_token_id": 3, "sep_token_id": 3, "encoder_hidden_size": 32, "projection_dim": 32}
    config = BlipConfig(
        vision_config={**size, "image_size": 32, "patch_size": 8}, text_config={**size, **ends, "vocab_size": 64}
    )
    model = BlipForConditionalGeneration(config).eval()
    pixels, prompt = torch.rand(1, 3, 32, 32), torch.tensor([[1, 5, 6, 7, 3]])

    def say():
        model.generate(
            pixel_values=pixels,
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            num_beams=3,
            min_length=14,
            max_length=14,
            do_sample=False,
        )

    with torch.no_grad():
        said, seen = counting.flop(say), counting.flop(lambda: model.vision_model(pixels))
    assert counting.beam_search(model.to("meta"), beams=3, prefix=4, length=14) == said - seen


def test_the_committed_figures_are_what_is_counted(figures):
    assert read_json(FOLDER / "flops.json")["figures"] == figures

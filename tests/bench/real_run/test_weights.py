from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bench import random_diffusion, random_llama
from bench.real_run import shapes, weights
from bench.scale.architectures import LLAMA
from pipeline import diffusion, model_folders
from pipeline.layer_encoder import load_encoder
from pipeline.llm import LlmParams
from pipeline.params import load
from tests.closure import ROOT


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return folder, weights.ready(shapes.tiny(), folder)


def test_weights_are_written_once_and_are_the_same_bytes_each_time(made, monkeypatch):
    folder, found = made
    assert not weights.missing(shapes.tiny(), folder)
    assert set(found) == {"blip", "clip", "llama", "diffusion"}
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    assert weights.ready(shapes.tiny(), folder) == found
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == written


def test_a_damaged_model_alone_is_written_anew_and_comes_out_the_same(made, capsys):
    folder, found = made
    path = folder / "llama" / "model-00003.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    assert weights.ready(shapes.tiny(), folder) == found
    assert path.read_bytes() == whole
    told = capsys.readouterr().err
    assert told.count("writing") == 1
    assert str(folder / "llama") in told


def test_a_model_of_another_shape_is_written_anew(made, tmp_path):
    assert weights.missing(shapes.real(), made[0])
    assert weights.kept(made[0], "llama", "another shape") is None
    assert weights.missing(shapes.tiny(), tmp_path)


def test_the_llama_is_written_block_by_block_and_runs_in_the_pipeline(made):
    folder, revision = made[1]["llama"]
    parts = sorted(Path(folder).glob("model-*.safetensors"))
    assert len(parts) == LLAMA["7B"].layers + 1
    assert {value.dtype for value in load_file(parts[0]).values()} == {torch.bfloat16}
    changes = {"model": folder, "revision": revision, "dtype": "bfloat16"}
    config = load(LlmParams, "llm", ROOT / "params.yaml").model_copy(update=changes)
    vectors = load_encoder(config, range(1, 33), device="cpu", batch=1).encode(["w3 w4", "w5"])
    assert sorted(vectors) == list(range(1, 33))
    assert vectors[32].shape == (2, 16)


def test_the_real_llama_has_llama_7b_s_numbers_of_weights():
    shape = shapes.real().llama
    config = shapes.real().llama_config()
    assert (config.hidden_size, config.intermediate_size, config.num_hidden_layers) == (4096, 11_008, 32)
    assert shape.parameters == 6_738_415_616


def test_parts_hold_every_weight_of_the_model():
    from transformers import LlamaForCausalLM

    config = shapes.tiny().llama_config()
    found = {name: tuple(value.shape) for part in random_llama.parts(config) for name, value in part.items()}
    with torch.device("meta"):
        wanted = {name: tuple(value.shape) for name, value in LlamaForCausalLM(config).state_dict().items()}
    assert found == wanted


def test_the_diffusion_model_loads_and_draws_its_side(made):
    folder, revision = made[1]["diffusion"]
    model = diffusion.load(folder, revision, device="cpu", dtype=torch.bfloat16)
    assert model.unet.config.sample_size == 8
    assert model.text_width == 16
    assert model_folders.folder_digest(Path(folder)) == revision


def test_the_real_diffusion_model_is_version_15():
    assert shapes.real().diffusion == random_diffusion.SHAPES["sd15"]

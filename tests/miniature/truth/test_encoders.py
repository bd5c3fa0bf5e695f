import numpy as np
import pytest

from miniature.truth import encoders
from pipeline import llm
from pipeline.diffusion import DiffusionParams
from pipeline.engine import ComputeParams
from pipeline.errors import ModelError
from pipeline.layer_encoder import load_encoder
from tests.pipeline import tiny_models
from tests.pipeline.frozen_models import llama_folder, llm_params

BATCHES = ("caption_batch", "clip_batch", "llm_batch", "vae_batch", "sample_batch", "micro_batch")
SWITCHES = ("gradient_checkpointing", "channels_last", "compile")
POOL = {"address": None, "actors": 1, "cpus_per_actor": 1, "gpus_per_actor": 0}
ALONE = {"download_workers": 1, "llm_device_map": None, "ray": POOL} | dict.fromkeys(SWITCHES, False)
COMPUTE = ComputeParams(engine="local", device="cpu", threads=1, **ALONE, **dict.fromkeys(BATCHES, 4))
TEXTS = ["two red stars", "a circle", "three blue stars on white ground"]


def _llm(model, revision):
    return llm_params(model=model, revision=revision, layer=2, layers=(2,))


def test_the_llm_gives_all_layers_as_embed_pools_them(tmp_path):
    config = _llm(*llama_folder(tmp_path))
    found = encoders.llm_layers(config, COMPUTE)(TEXTS)
    assert list(found) == ["1", "2", "3", "4"]
    expected = load_encoder(config, [3], device="cpu", batch=4).encode(TEXTS)[3]
    assert np.allclose(found["3"], expected, atol=1e-6)


def test_an_llm_that_cannot_be_reached_is_told(monkeypatch):
    monkeypatch.setattr(llm, "shape", lambda model, revision: None)
    with pytest.raises(ModelError, match="model m cannot be reached"):
        encoders.llm_layers(_llm("m", "r"), COMPUTE)


def test_the_text_encoder_is_pooled_over_own_tokens(monkeypatch):
    monkeypatch.setattr(encoders, "BATCH", 2)
    config = DiffusionParams(model=str(tiny_models.folder()), revision=tiny_models.revision(), dtype="float32")
    found = encoders.text_encoder(config, COMPUTE)(["ab", "c", "abc"])
    states = tiny_models.load().text_states(["ab"]).states[0]  # start, two letters, end, padding
    assert list(found) == [encoders.TEXT]
    assert found[encoders.TEXT].shape == (3, tiny_models.WIDTH)
    assert np.allclose(found[encoders.TEXT][0], states[1:3].mean(dim=0).numpy(), atol=1e-6)


def test_a_text_without_tokens_is_zero():
    assert not encoders.pooled(tiny_models.load(), [""]).any()

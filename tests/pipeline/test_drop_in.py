import copy
import json

import pytest
import torch

from pipeline import text_encoding
from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter
from pipeline.drop_in import SurTextModel
from tests.pipeline import tiny_models
from tests.pipeline.adapters.test_sur import BASE as ADAPTER


@pytest.fixture(scope="module")
def model():
    return tiny_models.load()


@pytest.fixture
def adapter():
    params = AdapterParams(**{**ADAPTER, "eta": 0.5, "g_init": "normal"})
    return SurAdapter(params, width=tiny_models.WIDTH, llm_width=4, w0_seed=3).eval().requires_grad_(False)


def tokens(model, *texts):
    return text_encoding.tokens(model.tokenizer, texts).input_ids


def states(encoder, ids):
    with torch.no_grad():
        return encoder(ids).last_hidden_state


def test_what_comes_out_is_what_the_adapter_makes_of_the_text_states(model, adapter):
    made = states(SurTextModel.around(model.text_encoder, adapter), tokens(model, "two red squares"))
    with torch.no_grad():
        assert (made == adapter(model.text_states(["two red squares"]).states).condition).all()


def test_eta_is_a_dial_and_0_the_base_model_bit_for_bit(model, adapter):
    encoder = SurTextModel.around(model.text_encoder, adapter)
    assert encoder.eta == 0.5
    encoder.eta = 0.0
    assert (states(encoder, tokens(model, "two")) == model.text_states(["two"]).states).all()
    with pytest.raises(ValueError, match=r"eta must be 0 to 1, got 1\.5"):
        encoder.eta = 1.5
    with pytest.raises(ValueError, match="eta must be 0 to 1, got 5"):
        SurTextModel.around(model.text_encoder, adapter, eta=5)


def test_a_text_that_is_left_alone_is_known_by_its_tokens(model, adapter):
    [empty] = tokens(model, "").tolist()
    encoder = SurTextModel.around(model.text_encoder, adapter, untouched=[empty, [1, 2, 3]])
    made, base = states(encoder, tokens(model, "", "two")), model.text_encoder(tokens(model, "", "two"))[0]
    assert (made[0] == base[0]).all()
    assert (made[1] != base[1]).any()


def test_it_shares_the_weights_it_was_made_from(model, adapter):
    encoder = SurTextModel.around(model.text_encoder, adapter)
    assert encoder.embeddings is model.text_encoder.embeddings
    assert encoder.adapter is adapter


def test_clip_skip_is_refused(model, adapter):
    pipeline = model.pipeline("ddim")
    pipeline.text_encoder = SurTextModel.around(model.text_encoder, adapter)
    with pytest.raises(ValueError, match="clip_skip would pass it by"):
        pipeline("two", num_inference_steps=1, clip_skip=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_whole_pipeline_survives_saving_and_loading(model, adapter, tmp_path, dtype):
    from diffusers import StableDiffusionPipeline

    pipeline = model.pipeline("ddim")
    [empty] = tokens(model, "").tolist()
    pipeline.register_modules(text_encoder=SurTextModel.around(model.text_encoder, adapter, eta=0.7, untouched=[empty]))
    pipeline.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "model_index.json").read_text())["text_encoder"] == [
        "pipeline.drop_in",
        "SurTextModel",
    ]
    loaded = StableDiffusionPipeline.from_pretrained(tmp_path, dtype=dtype)
    assert isinstance(loaded.text_encoder, SurTextModel)
    assert loaded.text_encoder.eta == 0.7
    assert loaded.text_encoder.adapter.g.weight.dtype == torch.float32
    assert (loaded.text_encoder.adapter.projection == adapter.projection).all()
    if dtype == torch.float32:
        assert drawn(loaded) == drawn(pipeline)
    else:
        assert loaded.text_encoder.embeddings.token_embedding.weight.dtype == dtype


def drawn(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.Generator().manual_seed(1)
    return pipeline("two red squares", generator=noise, num_inference_steps=2).images[0].tobytes()


def test_half_a_pipeline_leaves_the_adapter_whole(model, adapter):
    encoder = SurTextModel.around(copy.deepcopy(model.text_encoder), copy.deepcopy(adapter))
    before = {name: value.clone() for name, value in encoder.adapter.state_dict().items()}
    half = encoder.to(torch.float16)
    assert half.final_layer_norm.weight.dtype == torch.float16
    assert all((value == before[name]).all() for name, value in half.adapter.state_dict().items())
    assert {value.dtype for value in half.adapter.parameters()} == {torch.float32}
    assert states(half, tokens(model, "two")).dtype == torch.float16
    assert set(dict(half.named_children())) == set(dict(model.text_encoder.named_children())) | {"adapter"}

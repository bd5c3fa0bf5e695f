import json
import re
import subprocess
import sys

import pytest
import torch
from PIL import Image

import pipeline.library
from pipeline import sampling
from pipeline.adapters import folder
from pipeline.errors import ModelError
from pipeline.library import SurTextModel, load_adapter, unload_adapter
from pipeline.sampling import Denoising
from tests.closure import ROOT
from tests.pipeline import tiny_models
from tests.pipeline.adapters import official_file
from tests.stages.test_sample import write_adapter
from tests.stages.test_train import base as named


@pytest.fixture
def pipe():
    from diffusers import StableDiffusionPipeline

    made = StableDiffusionPipeline.from_pretrained(tiny_models.folder())
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def adapter(tmp_path):
    return write_adapter(tmp_path / "adapter", eta=0.6, g_init="normal")


def drawn(pipe, **changes):
    noise = torch.Generator().manual_seed(5)
    return pipe("two red squares", generator=noise, num_inference_steps=2, guidance_scale=4.0, **changes).images[0]


def ours(adapter, eta=None):
    model = tiny_models.load()
    loaded = folder.load(adapter, base=named(), width=tiny_models.WIDTH)
    config = Denoising(2, 4.0, "ddim")
    return sampling.generate("two red squares", 5, diffusion=model, adapter=loaded, config=config, eta=eta)


def test_a_pipeline_with_the_adapter_draws_what_the_stage_draws(pipe, adapter):
    base, adapted = ours(adapter)
    assert drawn(pipe).tobytes() == base.tobytes()
    encoder = load_adapter(pipe, adapter)
    assert drawn(pipe).tobytes() == adapted.tobytes() != base.tobytes()
    encoder.eta = 0.3
    assert drawn(pipe).tobytes() == ours(adapter, 0.3)[1].tobytes()
    unload_adapter(pipe)
    assert drawn(pipe).tobytes() == base.tobytes()
    unload_adapter(pipe)


def test_the_negative_prompt_stays_as_it_is_where_it_is_named(pipe, adapter):
    load_adapter(pipe, adapter, negative_prompt="bad")
    left = drawn(pipe, negative_prompt="bad")
    unload_adapter(pipe)
    load_adapter(pipe, adapter, negative_prompt=None)
    assert drawn(pipe, negative_prompt="bad").tobytes() != left.tobytes()


def test_a_pipeline_made_from_it_keeps_the_adapter(pipe, adapter):
    from diffusers import AutoPipelineForText2Image

    load_adapter(pipe, adapter)
    derived = AutoPipelineForText2Image.from_pipe(pipe, enable_pag=True)
    assert isinstance(derived.text_encoder, SurTextModel)


def test_a_saved_pipeline_has_nothing_to_go_back_to(pipe, adapter, tmp_path):
    from diffusers import StableDiffusionPipeline

    load_adapter(pipe, adapter)
    expected = drawn(pipe)
    pipe.save_pretrained(tmp_path / "whole")
    loaded = StableDiffusionPipeline.from_pretrained(tmp_path / "whole")
    loaded.set_progress_bar_config(disable=True)
    assert drawn(loaded).tobytes() == expected.tobytes()
    with pytest.raises(ModelError, match="was saved with its adapter"):
        unload_adapter(loaded)


def test_two_adapters_are_refused(pipe, adapter):
    load_adapter(pipe, adapter)
    with pytest.raises(ModelError, match="has an adapter already"):
        load_adapter(pipe, adapter)


def test_another_base_model_is_refused(pipe, adapter):
    with pytest.raises(ModelError, match="works with its own base model only"):
        load_adapter(pipe, adapter, base=folder.Named(model="someone/else", revision="main"))


def test_a_hub_pipeline_is_known_by_its_name_and_commit(pipe, tmp_path):
    hub = folder.Named(model="owner/model", revision="a" * 40)
    path = write_adapter(tmp_path / "hub")
    config = (path / "config.json").read_text()
    before = named().model_dump_json()[1:-1].replace('":"', '": "').split(",")
    for old, new in zip(before, (f'"model": "{hub.model}"', f'"revision": "{hub.revision}"'), strict=True):
        assert old in config
        config = config.replace(old, new)
    (path / "config.json").write_text(config)
    pipe.register_to_config(_name_or_path=hub.model)
    pipe.text_encoder.config._commit_hash = "b" * 40
    with pytest.raises(ModelError, match="works with its own base model only"):
        load_adapter(pipe, path)
    pipe.text_encoder.config._commit_hash = "a" * 40
    load_adapter(pipe, path)


def test_a_pipeline_of_unknown_origin_is_asked_for_it(adapter):
    pipe = tiny_models.load().pipeline("ddim")
    with pytest.raises(ModelError, match="does not say what it was loaded from"):
        load_adapter(pipe, adapter)
    load_adapter(pipe, adapter, base=named())


def test_a_dial_that_goes_too_far_leaves_the_pipeline_as_it_was(pipe, adapter):
    before = pipe.text_encoder
    with pytest.raises(ValueError, match="eta must be 0 to 1, got 5"):
        load_adapter(pipe, adapter, eta=5)
    assert pipe.text_encoder is before


@pytest.mark.parametrize("changes", [{"parts": "cross_attention"}, {"kind": "llm4gen"}, {"kind": "llmdiff"}])
def test_what_a_text_encoder_cannot_hold_is_refused_before_any_weight_is_read(pipe, adapter, monkeypatch, changes):
    config = json.loads((adapter / folder.CONFIG).read_text())
    if "kind" in changes:
        config["adapter"] |= changes
    else:
        config["unet"] = {**changes, "weights_sha256": "0" * 64}
    (adapter / folder.CONFIG).write_text(json.dumps(config))
    monkeypatch.setattr(folder, "weight_files", None)
    with pytest.raises(ModelError, match="adapter is more than a text encoder can hold"):
        load_adapter(pipe, adapter)


def test_the_authors_weights_are_more_than_a_text_encoder_can_hold(pipe, tmp_path):
    from pipeline.adapters import checkpoint

    official_file.write(tmp_path / "theirs.pt")
    folder.save_official(tmp_path / "theirs", checkpoint.read(tmp_path / "theirs.pt"), base=named(), eta=0.3)
    with pytest.raises(ModelError, match="more than a text encoder can hold"):
        load_adapter(pipe, tmp_path / "theirs")


def test_a_pipeline_without_one_text_encoder_is_refused(adapter):
    with pytest.raises(ModelError, match="has not one text encoder"):
        load_adapter(object(), adapter)


(EXAMPLE,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.slow
def test_the_readmes_example_runs_as_it_stands_in_a_process_of_its_own(adapter, tmp_path):
    example = EXAMPLE
    for shown, tiny in (("miniature/models/diffusion", tiny_models.folder()), ("data/train/adapter", adapter)):
        assert f'"{shown}"' in example
        example = example.replace(f'"{shown}"', repr(str(tiny)))
    example = example.replace('"roundels.png"', repr(str(tmp_path / "roundels.png")))
    subprocess.run([sys.executable, "-c", example], cwd=ROOT, check=True, capture_output=True)
    with Image.open(tmp_path / "roundels.png") as picture:
        assert picture.size == (tiny_models.SIDE, tiny_models.SIDE)


@pytest.mark.parametrize("example", [EXAMPLE, str(pipeline.library.__doc__)])
def test_examples_import_the_library_before_diffusers(example):
    first, second = re.findall(r"^from ([\w.]+) import", example, re.MULTILINE)
    assert (first, second) == ("pipeline.library", "diffusers")


def test_a_pipeline_without_a_u_net_is_refused(pipe, adapter):
    pipe.unet = None
    with pytest.raises(ModelError, match="is no pipeline of a U-Net and CLIP's text encoder"):
        load_adapter(pipe, adapter)

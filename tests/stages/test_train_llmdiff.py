import json
from functools import partial

import pytest
import torch

from pipeline import block_states, llm, prompt_states, state_packing, tables, training_inputs
from pipeline.adapters import folder
from pipeline.errors import InputError
from pipeline.generated import MANIFEST
from pipeline.llm_loading import load_tokens
from pipeline.sampling import Denoising, generate
from pipeline.token_states import load_states
from stages import sample as sample_stage
from stages import train as stage
from tests.pipeline import frozen_models, tiny_models
from tests.pipeline.test_prompts import ENTRY
from tests.pipeline.training_setup import process, recipe
from tests.stages.test_train import base, contents, failing_log, run, write_data

CHOSEN = {"kind": "llmdiff", "eta": 1.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def config(data, tmp_path_factory):
    """Section llm; the states of the data set are written with it."""
    model, revision = frozen_models.llama_folder(tmp_path_factory.mktemp("llama"))
    made = frozen_models.llm_params(model=model, revision=revision, states="blocks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUR_WORK", str(tmp_path_factory.mktemp("work")))
        state_packing.write_states(
            data / "resize/parts",
            data / "embed/states",
            made,
            llm.shape(model, revision),
            build=lambda fed: load_states(made, 4, fed, device="cpu", batch=8),
            tokens=load_tokens(made),
            unit=8,
        )
    return made


def train(data, target, config, chosen=None):
    chosen = chosen or recipe(CHOSEN, steps=3, sample_prompts=1)
    run(data, target, chosen, language=training_inputs.language(chosen.adapter, config))


def test_a_training_leaves_an_adapter_that_reads_new_texts_as_it_read_its_own(data, tmp_path, config):
    train(data, tmp_path, config)
    found = folder.read_config(tmp_path / "adapter")
    assert (found.llm.layer, found.llm.store_dtype, found.llm_width) == (4, "float16", 16)
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report["parameters"]["by_part"]) == {"encoder", "phi", "layers"}
    assert report["parameters"]["by_part"]["encoder"] == 8
    assert tiny_models.is_picture(tmp_path / "samples.png")
    model = tiny_models.load()
    adapter = folder.load(tmp_path / "adapter", base=base(), width=tiny_models.WIDTH, unet=model.unet)
    load = partial(block_states.load, layer=4, device="cpu", batch=8)
    read = prompt_states.read(found, ["a red square"], build=load)
    stored = block_states.SampleStates(block_states.States(data / "embed/states"), limit=9)
    rows = [stored.batch([f"test:{row:03d}"]) for row in range(13)]
    assert any(torch.equal(read("a red square").context, row.context) for row in rows)
    assert any(torch.equal(read("a red square").alone, row.alone) for row in rows)
    settings = Denoising(2, 3.0, "ddim")
    pair = generate("two stars", 1, diffusion=model, adapter=adapter, config=settings, llm_states=read)
    assert pair[0].tobytes() != pair[1].tobytes()


def test_a_killed_training_goes_on_and_leaves_the_same_bytes(data, tmp_path, config, monkeypatch):
    chosen = recipe(CHOSEN, steps=5, sample_prompts=0, caption_dropout=0.25)
    train(data, tmp_path / "whole", config, chosen)
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other-work"))
    with monkeypatch.context() as patch:
        patch.setattr(stage, "live_log", lambda path: failing_log(3))
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "killed", config, chosen)
    train(data, tmp_path / "killed", config, chosen)
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")


def test_states_of_other_settings_are_another_run(data, tmp_path, config, monkeypatch):
    seen = []
    monkeypatch.setattr(stage, "fingerprint", lambda settings, _: seen.append(settings) or "run")
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "work"))
    train(data, tmp_path / "a", config, recipe(CHOSEN, steps=1, sample_prompts=0))
    assert seen[0][-1] | {"blocks": "4", "llm": config.model, "dtype": "float16"} == seen[0][-1]


def test_without_states_the_training_says_what_to_do(data, tmp_path, config, monkeypatch):
    chosen = recipe(CHOSEN, steps=1)
    with pytest.raises(InputError, match=r"run dvc repro embed"):
        training_inputs.examples(
            data / "resize/parts",
            data / "latents/parts",
            training_inputs.Vectors(data / "none", tmp_path),
            chosen,
            tiny_models.load(),
        )


def test_both_stages_run_with_the_settings_in_force(data, tmp_path, config, monkeypatch):
    (tmp_path / "data").symlink_to(data)
    monkeypatch.chdir(tmp_path)
    named = {"model": config.model, "revision": config.revision, "states": "blocks"}
    tiny_models.write_params(tmp_path / "params.yaml", adapter={"kind": "llmdiff", "eta": 1.0}, llm=named)
    process()
    monkeypatch.setattr(stage, "TARGET", tmp_path / "train")
    stage.main()
    monkeypatch.setattr(sample_stage, "ADAPTER", tmp_path / "train/adapter")
    monkeypatch.setattr(sample_stage, "TARGET", tmp_path / "sample")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/miniature.json").write_text(json.dumps([ENTRY]))
    sample_stage.main()
    assert tables.read(tmp_path / "sample/manifest.parquet", MANIFEST).num_rows == 3

"""Stage ``sample`` with each kind of adapter, against pictures that diffusers draws from states read by hand."""

import gc
import hashlib
import json
import weakref
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline import app, block_states, diffusion, llm_loading, tables, token_states
from pipeline.adapters.llmdiff import Blocks
from pipeline.engine import ComputeParams
from pipeline.generated import MANIFEST
from pipeline.generating import Generator
from pipeline.padded_states import padded
from pipeline.params import load
from pipeline.sample_settings import SampleParams
from pipeline.sampling import png
from pipeline.token_states import load_states
from pipeline.vae import DiffusionParams
from stages import sample as stage
from tests.pipeline import frozen_models, reading_adapters, tiny_models
from tests.pipeline.adapters.test_sur import BASE
from tests.pipeline.test_prompts import ENTRY

TEXTS = ("two red circles", "a blue star", "person jumping on white ground")
NEGATIVE = "three green"
KINDS = ("sur", "llm4gen", "llmdiff")
LAYER, WIDTH = 3, 16


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return frozen_models.llama_folder(tmp_path_factory.mktemp("llama"))


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def project(tmp_path, monkeypatch, kind, llama):
    """A folder with settings, prompts and an adapter of a kind, in which the stage can run."""
    monkeypatch.chdir(tmp_path)
    reading_adapters.write(Path("data/train/adapter"), kind, llama, layer=LAYER)
    Path("prompts").mkdir()
    entries = [{**ENTRY, "id": f"p{row}", "text": text} for row, text in enumerate(TEXTS)]
    Path("prompts/miniature.json").write_text(json.dumps(entries))
    compute = {"device": "cpu", "sample_batch": 1, "llm_batch": 64}
    tiny_models.write_params(
        Path("params.yaml"), sample={"negative_prompt": NEGATIVE, "limit_per_type": 3}, compute=compute
    )
    return kind


def drawn():
    """Digests and seeds of the adapted pictures by text."""
    rows = tables.read(Path("data/sample/manifest.parquet"), MANIFEST).to_pylist()
    return {row["text"]: (row["sha256"], row["seed"]) for row in rows if row["arm"] == "adapted"}


def states(llama, fed, keys, **changes):
    """What the LLM says of some texts or tokens, read together."""
    config = frozen_models.llm_params(model=llama[0], revision=llama[1], states_layer=LAYER, **changes)
    found = load_states(config, LAYER, fed, device="cpu", batch=64)(pa.table({"key": list(keys)}))
    return found.to_pylist()


def one_layer(llama):
    """Of kind llm4gen: padded states by text, all texts read together."""
    found = states(llama, "prompt", [*TEXTS, NEGATIVE], states="tokens")
    own = {row["key"]: np.array(row["states"], np.float32) for row in found}
    return {text: padded([each], BASE["llm4gen"]["tokens"], WIDTH) for text, each in own.items()}


def all_blocks(llama, text):
    """Of kind llmdiff: one text alone, then its tokens beside each other."""
    [read] = states(llama, "prompt", [text], states="blocks")
    alone = states(llama, "token", map(str, read["tokens"]), states="blocks")
    values = (read["states"], [row["states"][0] for row in alone])
    sides = [torch.tensor(np.array(each, np.float16)).reshape(1, -1, LAYER + 1, WIDTH) for each in values]
    return Blocks(*sides, torch.ones(1, len(read["tokens"]), dtype=torch.bool))


@torch.no_grad()
def conditions(kind, llama, model, adapter, text):
    """Negative and positive prompt embeddings by the adapter's own call, with ``adapt_negative: false``."""
    x, away = (model.text_states([each]) for each in (text, NEGATIVE))
    match kind:
        case "sur":
            return away.states, adapter(x.states).condition
        case "llm4gen":
            read = one_layer(llama)
            return adapter(away.states, read[NEGATIVE]), adapter(x.states, read[text])
        case "llmdiff":
            packed = adapter(all_blocks(llama, text), None, x.states)
            return adapter.unadapted(away.states), adapter.beside(packed, x.states)


def by_hand(kind, llama, text, seed):
    """Digest of the picture that diffusers' own pipeline draws."""
    model, config = tiny_models.load(), load(SampleParams, "sample")
    adapter = reading_adapters.load(Path("data/train/adapter"), model)
    negative, prompt = conditions(kind, llama, model, adapter, text)
    if kind == "llmdiff":
        adapter.attach(model.unet)
    [picture] = model.pipeline(config.scheduler)(
        prompt_embeds=prompt,
        negative_prompt_embeds=negative,
        num_inference_steps=config.steps,
        guidance_scale=config.guidance_scale,
        generator=[torch.Generator().manual_seed(seed)],
    ).images
    return hashlib.sha256(png(picture)).hexdigest()


def test_pictures_are_made_of_the_states_that_the_adapter_was_trained_on(project, llama):
    stage.main()
    found = drawn()
    assert set(found) == set(TEXTS)
    for text, (digest, seed) in found.items():
        assert digest == by_hand(project, llama, text, seed)


def generator():
    sections = ((SampleParams, "sample"), (DiffusionParams, "diffusion"), (ComputeParams, "compute"))
    return Generator(Path("data/train/adapter"), *(load(section, name) for section, name in sections))


def test_one_picture_on_demand_is_the_stages(project, llama):
    stage.main()
    made = generator()
    for text, (digest, seed) in drawn().items():
        assert hashlib.sha256(png(made.pair(text, seed).adapted)).hexdigest() == digest


class Watched:
    """Notes what is loaded, and whether an LLM is still there then."""

    def __init__(self, monkeypatch):
        self.loaded, self.llm = [], None
        decoder, model = llm_loading.load_decoder, diffusion.load
        for module in (token_states, block_states):
            monkeypatch.setattr(module, "load_decoder", lambda *given, **named: self._noted(decoder(*given, **named)))

        def watched(*given, **named):
            gc.collect()
            self.loaded.append("diffusion" if self.llm is None or self.llm() is None else "diffusion beside the LLM")
            return model(*given, **named)

        monkeypatch.setattr(diffusion, "load", watched)

    def _noted(self, decoder):
        self.loaded.append("LLM")
        self.llm = weakref.ref(decoder)
        return decoder


def test_the_llm_reads_all_prompts_first_and_is_gone_when_the_diffusion_model_comes(project, monkeypatch):
    watched = Watched(monkeypatch)
    stage.main()
    assert watched.loaded == ([] if project == "sur" else ["LLM"]) + ["diffusion"]


def test_a_run_that_goes_on_loads_no_llm(project, monkeypatch):
    watched = Watched(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(stage, "_painter", killed)
        with pytest.raises(KeyboardInterrupt):
            stage.main()
    watched.loaded.clear()
    stage.main()
    assert watched.loaded == ["diffusion"]


def killed(*_):
    raise KeyboardInterrupt


def test_sur_generate_reads_its_prompt_before_the_diffusion_model_comes(project, monkeypatch):
    watched = Watched(monkeypatch)
    for before in ([] if project == "sur" else ["LLM"], []):
        with pytest.raises(SystemExit, match=r"^0$"):
            app.main(["generate", TEXTS[0], "--images", "2"])
        assert watched.loaded == [*before, "diffusion"]
        watched.loaded.clear()


@pytest.mark.parametrize("kind", ["llmdiff"], indirect=True)
def test_base_pictures_alone_ask_no_llm_of_all_blocks(project, monkeypatch):
    watched = Watched(monkeypatch)
    with pytest.raises(SystemExit, match=r"^0$"):
        app.main(["generate", TEXTS[0], "--eta", "0"])
    assert watched.loaded == ["diffusion"]


def test_a_page_that_is_asked_on_and_on_loads_the_llm_once(project, monkeypatch):
    watched = Watched(monkeypatch)
    made = generator()
    for text in (*TEXTS, TEXTS[0]):
        made.pair(text, 1)
    assert watched.loaded == ["diffusion"] + ([] if project == "sur" else ["LLM"])

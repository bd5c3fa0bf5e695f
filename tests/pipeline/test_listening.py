import re
from pathlib import Path

import pytest
import torch

from pipeline import block_states, listening
from pipeline.adapters import folder
from pipeline.adapters.folder import LlmRead, Named
from pipeline.adapters.kinds import NoAdapter
from pipeline.adapters.llmdiff import LlmDiffAdapter
from pipeline.adapters.settings import AdapterParams
from pipeline.errors import ModelError
from tests.pipeline import frozen_models, tiny_models
from tests.pipeline.adapters.test_sur import BASE

TEXT = "two red circles"


@pytest.fixture(scope="module")
def model():
    return tiny_models.load()


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return frozen_models.llama_folder(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def saved(tmp_path, model, llama):
    return save(tmp_path / "adapter", model, llama)


def save(path, model, llama, blocks=4, width=16):
    params = AdapterParams(**{**BASE, "kind": "llmdiff", "eta": 1.0})
    adapter = LlmDiffAdapter(params, model.unet, llm_width=width, blocks=blocks)
    how = {"dtype": "float32", "quantisation": "none", "store_dtype": "float16"}
    llm = LlmRead(model=llama[0], revision=llama[1], layer=blocks, **how)
    folder.save(path, adapter, base=base(), llm=llm, w0_seed=None, llm_scale=None, steps=1)
    return path


def base():
    return Named(model=str(tiny_models.folder()), revision=tiny_models.revision())


def loaded(path, model, **options):
    adapter = folder.load(path, base=base(), width=tiny_models.WIDTH, unet=model.unet)
    return listening.listen(adapter, folder.read_config(path), device="cpu", **options)


def test_a_text_is_read_as_the_states_of_training_were_made(saved, model, llama):
    found = loaded(saved, model).read(TEXT)
    config = frozen_models.llm_params(model=llama[0], revision=llama[1], states="blocks")
    wanted = block_states.load(config, device="cpu", batch=64).of(TEXT)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_the_llm_is_loaded_once_and_not_before_a_text_is_read(saved, model, monkeypatch):
    loads = []
    real = block_states.load
    monkeypatch.setattr(block_states, "load", lambda *given, **named: loads.append(1) or real(*given, **named))
    adapter = loaded(saved, model)
    assert loads == []
    adapter.read(TEXT), adapter.read("a star")
    assert loads == [1]


def test_fewer_blocks_are_read_where_fewer_were_trained(tmp_path, model, llama):
    adapter = loaded(save(tmp_path / "adapter", model, llama, blocks=2), model)
    assert adapter.read(TEXT).context.shape[2] == 3


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"width": 12}, r"^the adapter reads 4 blocks of width 12, .* has 4 of width 16$"),
        ({"blocks": 5}, r"has 4 blocks, 5 are asked for"),
    ],
)
def test_an_llm_of_another_size_is_refused_in_one_line(tmp_path, model, llama, sizes, message):
    adapter = loaded(save(tmp_path / "adapter", model, llama, **sizes), model)
    with pytest.raises(ModelError, match=message):
        adapter.read(TEXT)


def test_other_kinds_need_no_llm(saved):
    adapter = NoAdapter(AdapterParams(**{**BASE, "kind": "none"}), width=8)
    assert listening.listen(adapter, folder.read_config(saved), device="cpu") is adapter
    assert not hasattr(adapter, "read")


def test_the_cards_lines_draw_a_picture(saved, model, monkeypatch):
    code = re.search(r"```python\n(.*?)```", (saved / folder.CARD).read_text(), re.DOTALL)[1]
    monkeypatch.chdir(saved)
    known = {"pipe": model.pipeline("ddim")}
    exec(code, known)
    assert known["picture"].size == (tiny_models.SIDE, tiny_models.SIDE)
    assert Path(known["base"].model) == tiny_models.folder()

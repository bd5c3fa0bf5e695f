"""The process's own code, run here with LAVIS's stand-in; tests/pipeline/lavis/test_captioner.py starts it."""

import io
import json
import os
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file

from pipeline.lavis import worker

TASK = {
    "device": "cpu", "dtype": "float32", "prompt": "a picture", "lower_case": True,
    "decoding": "beam", "beams": 2, "top_p": None, "seed": None,
    "repetition_penalty": 1.0, "min_length": 4, "max_length": 8,
    "levels": (torch.arange(256) / 255).repeat(3, 1).tolist(),
    "shape": {
        "vision": {
            "img_size": 4, "patch_size": 2, "embed_dim": 6, "depth": 1, "num_heads": 1, "mlp_ratio": 2.0,
            "layer_norm_eps": 1e-3,
        },
        "text": {"bos_token_id": 4},
    },
}  # fmt: skip
VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [DEC] a picture red blue"


@pytest.fixture(autouse=True)
def _seen(monkeypatch, installed):
    """The stand-in's modules, and afterwards the true ones again."""
    before = dict(sys.modules)
    for name in [name for name in sys.modules if name.split(".")[0] in ("transformers", "lavis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(installed)
    yield
    for name in set(sys.modules) - set(before):
        if name.split(".")[0] in ("transformers", "lavis"):
            del sys.modules[name]


@pytest.fixture
def folder(tmp_path):
    save_file({f"visual_encoder.norm.{name}": torch.full((6,), 7.0) for name in ("weight", "bias")}, _weights(tmp_path))
    (tmp_path / worker.VOCABULARY).write_text("\n".join(VOCABULARY.split()))
    return tmp_path


def _weights(folder):
    return folder / worker.WEIGHTS


def batch(*levels):
    pixels = np.repeat(np.array(levels, np.uint8), 3 * 4 * 4).reshape(-1, 3, 4, 4)
    keys = pa.array([str(level) for level in levels])
    return pa.record_batch([keys, pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)], names=["key", "pixels"])


def test_the_network_is_built_of_the_models_sizes_and_weights(folder):
    network = worker.build(folder, TASK | {"dtype": "bfloat16"})
    norm = network.visual_encoder.norm
    assert (norm.eps, norm.weight.dtype, norm.weight.tolist()) == (1e-3, torch.bfloat16, [7.0] * 6)
    assert network.text_decoder.config.values == TASK["shape"]["text"]
    assert not network.training


def test_weights_that_do_not_fit_are_refused(folder):
    save_file({"other": torch.zeros(1)}, _weights(folder))
    with pytest.raises(ValueError, match=r"weights do not fit LAVIS's network: \['visual_encoder.norm.weight'"):
        worker.build(folder, TASK)


def test_another_start_token_is_refused(folder):
    (folder / worker.VOCABULARY).write_text("[DEC]\n[PAD]")
    with pytest.raises(ValueError, match="LAVIS starts with token 0, this model with 4"):
        worker.build(folder, TASK)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_prompt_is_cut_off(folder, dtype):
    task = TASK | {"dtype": dtype}
    answer = worker.Worker(worker.build(folder, task), task)(batch(255, 0))
    assert answer.to_pydict() == {"text": ["red", "blue"], "truncated": [False, False]}


def test_a_hyphen_in_the_prompt_costs_a_caption_no_letter(folder):
    (folder / worker.VOCABULARY).write_text("\n".join([*VOCABULARY.split(), "-"]))
    task = TASK | {"prompt": "a-picture"}  # decoded as "a - picture"
    answer = worker.Worker(worker.build(folder, task), task)(batch(255, 0))
    assert answer.column("text").to_pylist() == ["red", "blue"]


def test_a_sampled_caption_belongs_to_its_picture(folder):
    task = TASK | {"decoding": "nucleus", "beams": None, "top_p": 1.0, "seed": 0}
    asked = worker.Worker(worker.build(folder, task), task)
    together = asked(batch(1, 2, 3)).column("text").to_pylist()
    assert len(set(together)) == 3
    assert asked(batch(2)).column("text").to_pylist() == together[1:2]


def test_what_a_library_prints_does_not_reach_the_answers(folder, monkeypatch, capfdbinary):
    (folder / worker.TASK).write_text(json.dumps(TASK | {"threads": torch.get_num_threads()}))

    def printing(built, asked, answers):
        os.write(1, b"by a library\n")
        answers.write(f"built {built._network.prompt}".encode())

    monkeypatch.setattr(worker, "serve", printing)
    monkeypatch.setattr(sys, "argv", ["worker", str(folder)])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    out = os.dup(1)
    try:
        worker.main()
    finally:
        os.dup2(out, 1)
        os.close(out)
    said = capfdbinary.readouterr()
    assert said.out == b"built a picture"
    assert b"by a library" in said.err


def test_questions_are_answered_until_they_end(folder):
    questions, answers = io.BytesIO(), io.BytesIO()
    with pa.ipc.new_stream(questions, batch(0).schema) as stream:
        for levels in ((255,), (1, 0), (0, 255)):  # 1 is too large
            stream.write_batch(batch(*levels))
    questions.seek(0)
    worker.serve(worker.Worker(worker.build(folder, TASK), TASK), questions, answers)
    answers.seek(0)
    told = [answer.column("text").to_pylist() for answer in pa.ipc.open_stream(answers)]
    assert told == [[], ["red"], [], ["blue", "red"]]

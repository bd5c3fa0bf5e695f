import gc
import os
import time

import pyarrow as pa
import pytest
import torch
from PIL import Image

from pipeline import engine
from pipeline.blip_sampling import draws, sampled
from pipeline.captioning import RESULT
from pipeline.errors import ModelError, SettingError
from pipeline.images import ImageParams, encode
from pipeline.lavis import captioner
from pipeline.lavis.captioner import LavisCaptioner
from tests.pipeline.frozen_models import WORDS

PNG = ImageParams(side_px=16, resize="squash", format="png", quality=95)


@pytest.fixture(autouse=True)
def _installed(monkeypatch, installed):
    monkeypatch.setenv("SUR_LAVIS", str(installed))


@pytest.fixture(scope="module")
def beams(params, installed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUR_LAVIS", str(installed))
        return LavisCaptioner(params(prompt="a picture of"), "cpu")


def ask(operator, *levels):
    keys = [f"{place} {level}" for place, level in enumerate(levels)]
    images = [encode(Image.new("RGB", (20, 24), (level,) * 3), PNG) for level in levels]
    return operator(operator.prepare(pa.table({"key": keys, "image": images})))


def said(operator, *levels):
    return ask(operator, *levels).column("simple_prompt").to_pylist()


def gone(number, within_s=20):
    """Whether a process ends soon."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_pictures_go_out_and_captions_come_back_batch_by_batch(beams):
    answer = ask(beams, 200, 50)
    assert answer.column_names == ["key", *RESULT.names]
    assert answer.to_pylist() == [
        {"key": "0 200", "simple_prompt": "red", "caption_truncated": False},
        {"key": "1 50", "simple_prompt": "blue", "caption_truncated": False},
    ]
    assert said(engine.batches(beams, 2, "cpu", "caption_batch"), 50, 3, 255) == ["blue", "blue", "red"]  # 3 prints


def test_memory_that_does_not_do_is_told_as_here(beams):
    with pytest.raises(torch.OutOfMemoryError):
        ask(beams, 200, 1)
    assert said(beams, 200) == ["red"]


def test_sampling_draws_the_pictures_own_numbers_and_the_process_ends_with_its_operator(params):
    operator = LavisCaptioner(params(decoding="nucleus", beams=None, top_p=0.52, seed=3), "cpu")
    table = ask(operator, 10, 20)
    numbers = draws(["0 10", "1 20"], 3, 8)[:, 1:]
    words = sampled(torch.zeros(14, len(WORDS)), numbers.flatten(), 0.52).view(2, 7)
    expected = [" ".join(WORDS[number] for number in row) for row in words.tolist()]
    assert table.column("simple_prompt").to_pylist() == expected
    assert table.column("caption_truncated").to_pylist() == [True, True]
    number = operator._process.pid
    del operator
    gc.collect()
    assert gone(number)


def test_a_failure_is_one_line_with_the_last_words(params):
    operator = LavisCaptioner(params(), "cpu")
    with pytest.raises(ModelError, match=r"^blip.backend lavis: LAVIS stopped: RuntimeError: no such caption$"):
        ask(operator, 200, 2)


def test_a_prompt_that_leaves_no_token_for_a_caption_is_refused_before_lavis_starts(params, monkeypatch):
    monkeypatch.setattr(captioner.installation, "start", None)
    with pytest.raises(SettingError, match=r"^blip.prompt is 4 tokens .* blip.max_length must be more, got 4$"):
        LavisCaptioner(params(prompt="a picture of", max_length=4), "cpu")


def test_a_process_that_was_killed_is_told(params):
    operator = LavisCaptioner(params(), "cpu")
    operator._process.kill()
    operator._process.wait()
    with pytest.raises(ModelError, match=r"^blip.backend lavis: LAVIS stopped: it said nothing$"):
        ask(operator, 200)


def test_a_start_that_fails_is_told(params, monkeypatch):
    monkeypatch.setattr(captioner.weights, "vocabulary", lambda _: ["[PAD]", "[DEC]"])
    with pytest.raises(ModelError, match=r"LAVIS stopped: ValueError: LAVIS starts with token 1, this model with 4$"):
        LavisCaptioner(params(), "cpu")


def test_what_is_not_installed_is_told_before_a_model_is_loaded(params, monkeypatch, tmp_path):
    monkeypatch.setenv("SUR_LAVIS", str(tmp_path))
    monkeypatch.setattr(captioner, "open_blip", None)
    with pytest.raises(ModelError, match="run make lavis"):
        LavisCaptioner(params(), "cpu")

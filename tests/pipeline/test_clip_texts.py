import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import open_clip
import pytest

from pipeline.clip_texts import Texts, groups
from pipeline.errors import ModelError
from tests.pipeline.frozen_models import clip_folder

LONG = "a red circle on white ground two stars over a person jumping"  # 12 words, each a token
CONTEXT = 8


@pytest.fixture(scope="module", params=["wrapped", "own"])
def tokenizer(request, tmp_path_factory):
    folder, _ = clip_folder(tmp_path_factory.mktemp("clip"), own_tokenizer=request.param == "wrapped")
    return open_clip.get_tokenizer(f"local-dir:{folder}")


def test_a_text_that_fits_is_what_open_clip_makes_of_it(tokenizer):
    for asked in ("truncate", "mean_of_chunks"):
        tokens = Texts(tokenizer, CONTEXT, asked)(["a red circle", "a"])
        assert np.array_equal(
            np.concatenate([each.chunks for each in tokens]), tokenizer(["a red circle", "a"]).numpy()
        )
        assert [each.counts for each in tokens] == [(3,), (1,)]
        assert not any(each.longer for each in tokens)


def test_length_beyond_the_context_is_told_for_the_first_token_too_many(tokenizer):
    texts = Texts(tokenizer, CONTEXT, "truncate")
    fits, longer = texts(["a red circle on white ground", "a red circle on white ground picture"])
    assert (fits.longer, longer.longer) == (False, True)  # 6 words with start and end are the context of 8
    assert longer.chunks.shape == (1, CONTEXT)
    assert texts.count("a red circle") == 5


def test_a_long_text_is_cut_into_pieces_of_the_context_less_start_and_end(tokenizer):
    (tokens,) = Texts(tokenizer, CONTEXT, "mean_of_chunks")([LONG])
    words = LONG.split()
    pieces = [" ".join(words[:6]), " ".join(words[6:])]
    assert tokens.counts == (6, 6)
    assert tokens.longer
    assert np.array_equal(tokens.chunks, tokenizer(pieces).numpy())


def test_the_last_piece_may_be_short(tokenizer):
    words = LONG.split()[:7]
    (tokens,) = Texts(tokenizer, CONTEXT, "mean_of_chunks")([" ".join(words)])
    assert tokens.counts == (6, 1)
    assert np.array_equal(tokens.chunks[1:], tokenizer(words[6:]).numpy())


def test_a_separator_that_open_clip_strips_is_stripped_from_pieces_too(tmp_path):
    folder, _ = clip_folder(tmp_path)
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    tokenizer.strip_sep_token = True
    tokenizer.tokenizer.sep_token = "</s>"
    (tokens,) = Texts(tokenizer, CONTEXT, "mean_of_chunks")([LONG])
    assert np.array_equal(tokens.chunks[:1], tokenizer([" ".join(LONG.split()[:6])]).numpy())
    assert tokens.chunks[0, -1] == 0


def test_a_tokenizer_that_cannot_cut_is_told_in_one_line():
    special = SimpleNamespace(tokenizer=SimpleNamespace(is_fast=True), tokenizer_mode="clips")
    masking = SimpleNamespace(encode=None, reduction_fn=print)
    for tokenizer in (special, masking):
        Texts(tokenizer, CONTEXT, "truncate")
        with pytest.raises(ModelError, match=r"^clip.long_prompts: SimpleNamespace .* take truncate$"):
            Texts(tokenizer, CONTEXT, "mean_of_chunks")


def test_groups_are_full_and_tell_how_many_rows_are_their_own():
    rows = np.arange(5)[:, None]
    found = [(group[:, 0].tolist(), own) for group, own in groups(rows, 3)]
    assert found == [([0, 1, 2], 3), ([3, 4, 4], 2)]


def test_a_tokenizer_that_pads_in_front_is_left_to_open_clip(tmp_path):
    folder, _ = clip_folder(tmp_path)
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    tokenizer.tokenizer.padding_side = "left"
    fits, longer = Texts(tokenizer, CONTEXT, "truncate")(["a red circle", LONG])
    assert np.array_equal(np.concatenate([fits.chunks, longer.chunks]), tokenizer(["a red circle", LONG]).numpy())
    assert (fits.counts, fits.longer, longer.counts, longer.longer) == ((3,), False, (6,), True)


class OneAtATime:
    """A tokenizer that does not answer until a second caller has come in, or was seen to wait outside."""

    def __init__(self):
        self.inside, self.most, self.second = 0, 0, threading.Event()

    def __call__(self, texts):
        self._enter()
        return SimpleNamespace(numpy=lambda: np.zeros((len(texts), CONTEXT)))

    def encode(self, text):
        self._enter()
        return text.split()

    def _enter(self):
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside > 1:
            self.second.set()
        self.second.wait()
        self.inside -= 1


class TellingLock:
    """A lock that tells when somebody has to wait for it."""

    def __init__(self, waits):
        self._lock, self._waits = threading.Lock(), waits

    def __enter__(self):
        if not self._lock.acquire(blocking=False):
            self._waits.set()
            self._lock.acquire()

    def __exit__(self, *_):
        self._lock.release()


@pytest.mark.parametrize(
    "second", [lambda texts: texts([LONG]), lambda texts: texts.count(LONG)], ids=["call", "count"]
)
def test_two_threads_have_the_tokenizer_one_after_the_other(monkeypatch, second):
    """The state of a Hugging Face tokenizer, how it cuts and pads, would be switched under the other's hands."""
    tokenizer = OneAtATime()
    lock = TellingLock(tokenizer.second)
    monkeypatch.setattr("pipeline.clip_texts.threading.Lock", lambda: lock)
    texts = Texts(tokenizer, CONTEXT, "truncate")
    monkeypatch.undo()
    with ThreadPoolExecutor(2) as threads:
        for answer in (threads.submit(texts, [LONG]), threads.submit(second, texts)):
            answer.result(60)
    assert tokenizer.most == 1


def test_texts_that_were_sent_to_another_process_are_cut_as_before(tokenizer):
    texts = Texts(tokenizer, CONTEXT, "mean_of_chunks")
    (before,), (after,) = texts([LONG]), pickle.loads(pickle.dumps(texts))([LONG])
    assert np.array_equal(before.chunks, after.chunks)
    assert texts.count(LONG) == pickle.loads(pickle.dumps(texts)).count(LONG)

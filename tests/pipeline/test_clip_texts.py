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

import pytest

from pipeline.prompt_tokens import PromptTokens
from tests.pipeline.frozen_models import word_tokenizer


def tokens(*, pool_bos=False, **marks):
    return PromptTokens(word_tokenizer(**marks), pool_bos=pool_bos)


def test_a_prompt_is_its_start_token_and_its_words():
    read = tokens(end=True).ids(["a red star", "two"])
    assert read == [[1, 4, 7, 12], [1, 5]]  # "</s>" is 2 and none of them
    assert tokens().ids([]) == []


def test_own_tokens_leave_the_start_token_out_unless_it_is_asked_for_or_alone():
    assert tokens().own([1, 4, 7]) == [4, 7]
    assert tokens(pool_bos=True).own([1, 4, 7]) == [1, 4, 7]
    assert tokens().own([1]) == [1]
    assert tokens(start=False).own([4, 7]) == [4, 7]


def test_a_token_alone_stands_where_a_prompts_first_word_does():
    assert tokens(end=True).alone(7) == [1, 7]
    assert tokens(start=False).alone(7) == [7]


def test_a_prompt_without_any_token_is_refused():
    with pytest.raises(ValueError, match="the prompt '' has no token"):
        tokens(start=False).ids(["a", ""])

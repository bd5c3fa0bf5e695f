import random

import pytest

from miniature import vocabulary
from miniature.language import complex_prompt, simple_prompt
from miniature.world import sample_scene


def test_pairs_are_merged_by_frequency_and_then_by_alphabet():
    assert vocabulary.byte_pairs(["ab", "abc", "zc"], suffix=".") == [
        ("a", "b"),
        ("a", "b."),
        ("ab", "c."),
        ("z", "c."),
    ]


def test_every_word_is_one_token_and_the_ends_are_marked():
    tokenizer = vocabulary.clip_tokenizer()
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("(red circle:1.2), masterpiece").input_ids)
    assert tokens == [
        "<|startoftext|>",
        *(f"{word}</w>" for word in ("(", "red", "circle", ":", "1", ".", "2", "),", "masterpiece")),
        "<|endoftext|>",
    ]


def test_prompts_of_both_languages_fit_into_the_context():
    tokenizer = vocabulary.clip_tokenizer()
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(200)]
    texts = [complex_prompt(scene, rng) for scene in scenes] + [simple_prompt(scene, rng) for scene in scenes]
    assert max(map(len, tokenizer(texts).input_ids)) <= vocabulary.CONTEXT


@pytest.mark.parametrize("text", ["a couple of crimson discs", "seven vintage glass bottles"])
def test_the_language_models_tokens_say_the_text_again(text):
    tokenizer = vocabulary.llama_tokenizer()
    ids = tokenizer(text).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text


def test_vocabularies_are_the_same_each_time():
    for make in (vocabulary.clip_tokenizer, vocabulary.llama_tokenizer, vocabulary.bert_tokenizer):
        assert make().get_vocab() == make().get_vocab()


def test_captions_know_no_unknown_word():
    tokenizer = vocabulary.bert_tokenizer()
    rng = random.Random(1)
    texts = [simple_prompt(sample_scene(rng), rng, wording="unseen") for _ in range(100)]
    assert tokenizer.unk_token_id not in {token for ids in tokenizer(texts).input_ids for token in ids}

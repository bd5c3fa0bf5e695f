import random

import pytest
import torch

from miniature import architectures, measures, train_text_encoder, vocabulary
from miniature.language import caption, plain_sentence
from miniature.world import Group, Scene, draw, is_held_out

RED = Scene((Group(2, "circle", "red"),), "blue")
PEOPLE = Scene((Group(1, "person", "pink", "waving"),), "black")


def test_captions_are_scored_field_by_field():
    found = measures.captions(["three red discs on an azure wall", caption(PEOPLE)], [RED, PEOPLE])
    assert found == {
        "caption_count_right": 0.5,
        "caption_colour_right": 1.0,
        "caption_kind_right": 1.0,
        "caption_action_right": 1.0,
        "caption_ground_right": 1.0,
        "caption_all_right": 0.5,
    }


def test_what_pictures_show_is_scored_skill_by_skill():
    found = measures.shown([draw(RED, 0), draw(RED, 0)], [RED, Scene((Group(3, "circle", "red"),), "grey")])
    assert found == {"all_right": 0.5, "colour_right": 1.0, "counting_right": 0.5, "ground_right": 0.5}


def test_measured_scenes_are_held_out():
    assert all(is_held_out(scene) for scene in measures.held_out(40)[0])


def test_an_untrained_text_encoder_reads_nothing():
    torch.manual_seed(0)
    tokenizer = vocabulary.clip_tokenizer()
    found = measures.text_encoder(train_text_encoder.Reader(tokenizer), tokenizer, count=8)
    assert len(found) == 5
    assert set(found.values()) == {0.0}


def test_an_untrained_language_model_is_near_chance():
    torch.manual_seed(0)
    tokenizer = vocabulary.llama_tokenizer()
    found = measures.llama(architectures.llama(tokenizer, layers=1), tokenizer, count=8)
    assert found["loss"] > 4
    assert found["meaning_tokens_right_seen"] < 0.2


def test_a_model_that_knows_the_meaning_gets_every_token_right():
    tokenizer = vocabulary.llama_tokenizer()

    class Oracle(torch.nn.Module):
        def forward(self, input_ids, **_):
            logits = torch.nn.functional.one_hot(input_ids.roll(-1, 1), len(tokenizer)).float()
            return type("Output", (), {"logits": logits, "loss": torch.tensor(0.0)})

    assert measures.llama(Oracle(), tokenizer, count=4)["meaning_tokens_right_unseen"] == 1.0


def test_models_of_pictures_are_measured_whatever_their_quality():
    torch.manual_seed(0)
    bert = vocabulary.bert_tokenizer()
    clip = vocabulary.clip_tokenizer(pad_token="<|pad|>")
    said = measures.blip(architectures.blip(bert).eval(), bert, count=2)
    scored = measures.clip(architectures.clip(architectures.clip_config(clip)).eval(), clip, count=64)
    assert said["caption_all_right"] == 0
    assert scored["retrieval_simple_of_64"] < 0.2
    assert measures.autoencoder(architectures.vae(), count=2)["squared_error"] > 0.01


def test_generated_pictures_do_not_depend_on_their_neighbours():
    torch.manual_seed(0)
    tokenizer = vocabulary.clip_tokenizer()
    parts = {
        "vae": architectures.vae(),
        "text_encoder": architectures.text_encoder(tokenizer),
        "tokenizer": tokenizer,
        "unet": architectures.unet(),
    }
    found = measures.diffusion(parts, count=1, steps=1)
    assert {"complex_all_right", "simple_all_right", "unseen_all_right"} <= set(found)
    text = plain_sentence(RED)
    alone = measures.generate(parts, [text], steps=1)[0]
    beside = measures.generate(parts, [text, random.Random(0).choice(["x", "y"])], steps=1)[0]
    difference = torch.tensor(list(alone.tobytes())).sub(torch.tensor(list(beside.tobytes()))).abs().max()
    assert difference <= 1


@pytest.mark.parametrize(("hits", "expected"), [([True, False], 0.5), ([True] * 3, 1.0)])
def test_a_share_counts_hits(hits, expected):
    assert measures.share(hits) == expected

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.errors import ModelError
from pipeline.metrics import vqa
from pipeline.metrics.settings import VqaJudge
from tests.pipeline.frozen_models import noise, picture
from tests.pipeline.metrics import tiny_scorers

QUESTIONS = ["is there a red circle ?", "two star ?"]


def _setting(named):
    return VqaJudge(kind="vqa", model=named[0], revision=named[1], dtype="float32")


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    return vqa.BlipVqa(_setting(tiny_scorers.blip_vqa(tmp_path_factory.mktemp("vqa") / "blip")), "cpu")


DEC, ENC = 19, 20
"""Behind the tokenizer's 19 words, as 30522 and 30523 in BLIP."""


def _by_definition(blip, shown, tokens):
    """T2I-CompBench's vqa_prob in its steps, on a picture of 480 pixels a side, for a question's tokens."""
    model, words = blip._model, blip._processor.tokenizer
    mean, spread = (np.array(getattr(blip._processor.image_processor, name)) for name in ("image_mean", "image_std"))
    pixels = np.asarray(shown.resize((480, 480), Image.Resampling.BICUBIC)) / 255
    pixels = torch.tensor(((pixels - mean) / spread).transpose(2, 0, 1)[None], dtype=torch.float32)
    inside = model.vision_model.embeddings
    places = inside.position_embedding[:, 1:].reshape(1, 2, 2, 16).permute(0, 3, 1, 2)
    places = torch.nn.functional.interpolate(places, size=(4, 4), mode="bicubic").flatten(2).transpose(1, 2)
    positions = torch.cat([inside.position_embedding[:, :1], places], dim=1)
    patches = inside.patch_embedding(pixels).flatten(2).transpose(1, 2)
    seen = torch.cat([inside.class_embedding, patches], dim=1) + positions
    seen = model.vision_model.post_layernorm(model.vision_model.encoder(inputs_embeds=seen)[0])
    asked = model.text_encoder(
        input_ids=torch.tensor([tokens]),
        attention_mask=torch.ones(1, len(tokens)),
        encoder_hidden_states=seen,
        encoder_attention_mask=torch.ones(seen.shape[:2]),
    )[0]
    logits = model.text_decoder(input_ids=torch.tensor([[DEC]]), encoder_hidden_states=asked).logits
    p = logits[0, 0].softmax(-1)
    yes, no = (words.convert_tokens_to_ids(word) for word in ("yes", "no"))
    return float(p[yes] / (p[yes] + p[no]))


def _tokens(blip, question):
    return blip._processor.tokenizer(question)["input_ids"][1:]


@torch.no_grad()
def test_p_is_t2i_compbenchs_yes_against_no_of_a_question_that_begins_with_enc(blip):
    shown = noise(2)
    expected = _by_definition(blip, shown, [ENC, *_tokens(blip, QUESTIONS[0])])
    assert blip.p_yes(shown, QUESTIONS[:1]) == [pytest.approx(expected, abs=1e-6)]
    assert abs(_by_definition(blip, shown, [2, *_tokens(blip, QUESTIONS[0])]) - expected) > 1e-4  # [CLS]


@torch.no_grad()
def test_a_tokenizer_that_knows_enc_is_asked_for_it(tmp_path):
    words = [*tiny_scorers.MARKS, "[ENC]", "[MASK]", *tiny_scorers.WORDS, "."]
    blip = vqa.BlipVqa(_setting(tiny_scorers.blip_vqa(tmp_path / "blip", words=words, vocabulary=21)), "cpu")
    expected = _by_definition(blip, noise(2), [4, *_tokens(blip, QUESTIONS[0])])
    assert blip.p_yes(noise(2), QUESTIONS[:1]) == [pytest.approx(expected, abs=1e-6)]


def test_a_model_without_enc_is_refused(tmp_path):
    named = tiny_scorers.blip_vqa(tmp_path / "blip", vocabulary=19)
    with pytest.raises(ModelError, match=r"has no token \[ENC\]"):
        vqa.BlipVqa(_setting(named), "cpu")


def test_a_question_is_asked_without_marks_and_cut_at_35_tokens(blip):
    shown = noise(2)
    assert blip.p_yes(shown, ["(Is there) a red: CIRCLE ?"]) == blip.p_yes(shown, ["is there a red circle ?"])
    long = " ".join(["red"] * 33)
    assert blip.p_yes(shown, [f"{long} blue"]) == blip.p_yes(shown, [long])
    assert blip.p_yes(shown, [f"{long[4:]} blue"]) != blip.p_yes(shown, [long])


def test_an_answer_depends_on_picture_and_question_and_not_on_the_other_questions(blip):
    both = blip.p_yes(picture(), QUESTIONS)
    assert both == [*blip.p_yes(picture(), QUESTIONS[:1]), *blip.p_yes(picture(), QUESTIONS[1:])]
    assert both[0] != both[1]
    assert both != blip.p_yes(noise(2), QUESTIONS)


def test_a_tokenizer_that_knows_no_no_is_refused(tmp_path):
    words = [*tiny_scorers.MARKS, "[MASK]", "yes"]
    named = tiny_scorers.blip_vqa(tmp_path / "blip", words=words)
    with pytest.raises(ModelError, match="no token for yes or for no"):
        vqa.BlipVqa(_setting(named), "cpu")


def _answers(**p):
    return lambda image, questions: [p[question] for question in questions]


def test_each_atom_with_a_question_is_answered():
    atoms = [{"skill": "colour", "question": "one"}, {"skill": "action"}, {"skill": "counting", "question": "two"}]
    found = vqa.ask(_answers(one=0.7, two=0.2), picture(), atoms)
    assert [(answer["atom"], answer["p"], answer["verdict"]) for answer in found] == [(0, 0.7, True), (2, 0.2, False)]
    assert [vqa.is_asked(atom) for atom in atoms] == [True, False, True]


def test_an_answer_does_not_depend_on_the_parents():
    """What DSG makes of them is for the soft scores: another judge may have answered the parent."""
    atoms = [{"skill": "object", "question": "one"}, {"skill": "colour", "question": "two", "depends_on": [0]}]
    assert [answer["verdict"] for answer in vqa.ask(_answers(one=0.4, two=0.9), picture(), atoms)] == [False, True]


def test_a_whole_prompt_is_the_product_over_its_noun_chunks():
    p = {"a red bench?": 0.8, "a yellow clock?": 0.5}
    atom = {"skill": "noun_chunks", "question": "a red bench and a yellow clock"}
    found = vqa.ask(lambda image, questions: [p[each] for each in questions], picture(), [atom])[0]
    assert (found["p"], found["verdict"]) == (pytest.approx(0.4), False)
    assert found["reason"] == "a red bench 0.800, a yellow clock 0.500"


def test_a_prompt_without_a_noun_chunk_counts_as_one():
    found = vqa.ask(lambda image, questions: [], picture(), [{"skill": "noun_chunks", "question": "jumping"}])[0]
    assert (found["p"], found["reason"]) == (1.0, "no noun chunk")

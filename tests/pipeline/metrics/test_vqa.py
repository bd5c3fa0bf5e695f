import pytest
import torch

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


def test_p_is_yes_against_no_at_the_first_token_of_the_answer(blip):
    """The softmax over the whole vocabulary, by the model's own forward."""
    shown = noise(2)
    given = blip._processor(images=shown, text=QUESTIONS[0], return_tensors="pt")
    with torch.no_grad():
        seen = blip._model.vision_model(pixel_values=given["pixel_values"])[0]
        asked = blip._model.text_encoder(
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"],
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2]),
        )[0]
        logits = blip._model.text_decoder(
            input_ids=torch.tensor([[4]]), encoder_hidden_states=asked, encoder_attention_mask=given["attention_mask"]
        ).logits
        p = logits[0, 0].softmax(-1)
    yes, no = (blip._processor.tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
    assert blip.p_yes(shown, QUESTIONS[:1]) == [pytest.approx(float(p[yes] / (p[yes] + p[no])), abs=1e-6)]


def test_an_answer_depends_on_picture_and_question_and_not_on_the_other_questions(blip):
    both = blip.p_yes(picture(), QUESTIONS)
    assert both == [*blip.p_yes(picture(), QUESTIONS[:1]), *blip.p_yes(picture(), QUESTIONS[1:])]
    assert both[0] != both[1]
    assert both != blip.p_yes(noise(2), QUESTIONS)


def test_a_tokenizer_that_knows_no_no_is_refused(tmp_path):
    named = tiny_scorers.blip_vqa(tmp_path / "blip", knows_no=False)
    with pytest.raises(ModelError, match="no token for yes or for no"):
        vqa.BlipVqa(_setting(named), "cpu")


def _answers(**p):
    return lambda image, questions: [p[question] for question in questions]


def test_each_atom_with_a_question_is_answered():
    atoms = [{"skill": "colour", "question": "one"}, {"skill": "action"}, {"skill": "counting", "question": "two"}]
    found = vqa.ask(_answers(one=0.7, two=0.2), picture(), atoms)
    assert [(answer["atom"], answer["p"], answer["verdict"]) for answer in found] == [(0, 0.7, True), (2, 0.2, False)]
    assert [vqa.is_asked(atom) for atom in atoms] == [True, False, True]


def test_an_atom_whose_parent_fails_fails_too():
    atoms = [
        {"skill": "object", "question": "one"},
        {"skill": "colour", "question": "two", "depends_on": [0]},
        {"skill": "colour", "question": "three", "depends_on": [1]},
    ]
    found = vqa.ask(_answers(one=0.4, two=0.9, three=0.9), picture(), atoms)
    assert [answer["p"] for answer in found] == [0.4, 0.0, 0.0]
    assert "depends on statement 0" in found[1]["reason"]


def test_a_whole_prompt_is_the_product_over_its_noun_chunks():
    p = {"a red bench?": 0.8, "a yellow clock?": 0.5}
    atom = {"skill": "noun_chunks", "question": "a red bench and a yellow clock"}
    found = vqa.ask(lambda image, questions: [p[each] for each in questions], picture(), [atom])[0]
    assert (found["p"], found["verdict"]) == (pytest.approx(0.4), False)
    assert found["reason"] == "a red bench 0.800, a yellow clock 0.500"


def test_a_prompt_without_a_noun_chunk_counts_as_one():
    found = vqa.ask(lambda image, questions: [], picture(), [{"skill": "noun_chunks", "question": "jumping"}])[0]
    assert (found["p"], found["reason"]) == (1.0, "no noun chunk")

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.stats import chisquare

from pipeline import captioning, engine
from pipeline.blip_pictures import levels_of, normalised
from pipeline.captioning import RESULT, BlipParams, Captioner, fault
from pipeline.errors import ModelError, SettingError
from pipeline.images import ImageParams, encode
from pipeline.params import load
from tests.pipeline.frozen_models import WORDS, blip_folder, noise, picture

PNG = ImageParams(side_px=16, resize="squash", format="png", quality=95)
NUCLEUS = {"decoding": "nucleus", "beams": None, "top_p": 0.9, "seed": 0}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return blip_folder(tmp_path_factory.mktemp("blip"))


def params(model, **changes):
    values = {
        "backend": "transformers",
        "dtype": "float32",
        "prompt": "",
        "decoding": "beam",
        "beams": 2,
        "top_p": None,
        "seed": None,
        "repetition_penalty": 1.0,
        "min_length": 4,
        "max_length": 8,
    }
    return BlipParams(model=model[0], revision=model[1], **values | changes)


def rows(pictures, keys=None):
    keys = keys or [f"picture {number}" for number in range(len(pictures))]
    return pa.table({"key": keys, "image": [encode(one, PNG) for one in pictures]})


def said(captioner, pictures, keys=None):
    table = captioner(captioner.prepare(rows(pictures, keys)))
    return table.column("simple_prompt").to_pylist()


def test_the_operator_gives_a_caption_a_key(model):
    captioner = Captioner(params(model), "cpu")
    captions = captioner(captioner.prepare(rows([picture(), noise(1)], ["b", "a"])))
    assert captions.column_names == ["key", *RESULT.names]
    assert captions.column("key").to_pylist() == ["b", "a"]
    texts = captions.column("simple_prompt").to_pylist()
    assert texts == said(captioner, [picture(), noise(1)])
    assert {word for text in texts for word in text.split()} <= {*WORDS}


@pytest.mark.parametrize("decoding", [{}, NUCLEUS])
def test_a_caption_does_not_depend_on_its_batch(model, decoding):
    captioner = Captioner(params(model, **decoding), "cpu")
    pictures, keys = [noise(seed, side) for seed, side in enumerate((16, 24, 40, 31))], list("abcd")
    together = said(captioner, pictures, keys)
    assert len(set(together)) > 1
    assert together == [said(captioner, [one], [key])[0] for one, key in zip(pictures, keys, strict=True)]
    assert said(captioner, pictures[::-1], keys[::-1]) == together[::-1]
    batches = engine.batches(captioner, 3, "cpu", "caption_batch")
    assert said(batches, pictures, keys) == together


@pytest.mark.parametrize("decoding", [{}, NUCLEUS])
def test_the_same_model_says_the_same_again(model, decoding):
    pictures = [noise(seed) for seed in range(3)]
    config = params(model, **decoding)
    assert said(Captioner(config, "cpu"), pictures) == said(Captioner(config, "cpu"), pictures)


def test_one_picture_is_sampled_as_often_as_the_nucleus_says(model):
    captioner = Captioner(params(model, **NUCLEUS | {"top_p": 0.7}, min_length=0, max_length=2), "cpu")
    count = 3000
    prepared = captioner.prepare(rows([noise(3)])).take([0] * count)
    prepared = prepared.set_column(0, "key", [[str(number) for number in range(count)]])
    words = captioner(prepared).column("simple_prompt").to_pylist()
    probable = _first_word(captioner, prepared.slice(0, 1))
    order = np.argsort(-probable)
    inside = order[: int((np.cumsum(probable[order]) < 0.7).sum()) + 1]
    spelled = captioner._tokenizer.batch_decode(inside[:, None], skip_special_tokens=True)
    assert len(set(spelled)) == len(inside) > 2
    counts = np.array([words.count(word) for word in spelled])
    assert counts.sum() == count
    assert chisquare(counts, probable[inside] / probable[inside].sum() * count).pvalue > 0.01


@torch.no_grad()
def _first_word(captioner, prepared):
    """The decoder's own probabilities of the first token, by one pass."""
    network = captioner._model
    seen = network.vision_model(normalised(levels_of(prepared), captioner._levels, torch.float32))[0]
    start = torch.tensor([[network.config.text_config.bos_token_id]])
    logits = network.text_decoder(input_ids=start, encoder_hidden_states=seen).logits[0, -1]
    return logits.double().softmax(-1).numpy()


def test_another_seed_samples_other_captions(model):
    pictures = [noise(seed) for seed in range(6)]
    first, second = (said(Captioner(params(model, **NUCLEUS | {"seed": n}), "cpu"), pictures) for n in (0, 1))
    assert first != second


def test_what_is_forbidden_is_never_sampled(model):
    config = params(model, **NUCLEUS | {"top_p": 1.0}, min_length=8)
    captioner = Captioner(config, "cpu")
    tokens = []
    generate = captioner._model.generate
    captioner._model.generate = lambda **options: tokens.append(generate(**options)) or tokens[-1]
    said(captioner, [noise(seed) for seed in range(40)])
    assert not (tokens[0] == captioner._end).any()


def test_repetitions_can_be_made_dear(model):
    pictures = [noise(seed) for seed in range(8)]

    def repeated(penalty):
        captions = said(Captioner(params(model, repetition_penalty=penalty, min_length=8), "cpu"), pictures)
        return sum(len(text.split()) - len(set(text.split())) for text in captions)

    assert repeated(10.0) < repeated(1.0)


def test_the_prompt_is_gone_on_from_and_cut_off(model):
    captioner = Captioner(params(model, prompt="a picture of", min_length=0), "cpu")
    asked = []
    generate = captioner._model.generate
    captioner._model.generate = lambda **options: asked.append(options["input_ids"].tolist()) or generate(**options)
    caption = said(captioner, [picture()])[0]
    words = captioner._tokenizer.convert_ids_to_tokens(asked[0][0])
    assert words[1:4] == ["a", "picture", "of"]
    assert len(caption.split()) <= 8 - 4


def test_lengths_count_all_tokens(model):
    captioner = Captioner(params(model, min_length=8, max_length=8), "cpu")
    assert len(said(captioner, [picture()])[0].split()) <= 7  # without the start token


def test_a_caption_that_was_cut_is_told_from_one_that_ended(model):
    captioner = Captioner(params(model, prompt="a picture of"), "cpu")
    words = captioner._tokenizer.convert_tokens_to_ids(["red", "star"])
    start, end, padding = 4, captioner._end, 0
    captioner._model.generate = lambda **_: torch.tensor(
        [[start, 5, 6, 7, *words, words[0]], [start, 5, 6, 7, words[0], end, padding], [start, 5, 6, 7, *words, end]]
    )
    table = captioner(captioner.prepare(rows([picture()] * 3)))
    assert table.column("simple_prompt").to_pylist() == ["red star red", "red", "red star"]
    assert table.column("caption_truncated").to_pylist() == [True, False, False]


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_weights_and_arithmetic_are_of_the_asked_type(model, name):
    captioner = Captioner(params(model, dtype=name), "cpu")
    assert {weight.dtype for weight in captioner._model.parameters()} == {captioning.DTYPES[name]}
    assert {word for text in said(captioner, [noise(1)]) for word in text.split()} <= {*WORDS}


def test_a_length_beyond_the_model_is_refused(model):
    with pytest.raises(SettingError, match=r"blip.max_length must be at most 16 for this BLIP, got 17"):
        Captioner(params(model, max_length=17), "cpu")


def test_a_prompt_that_leaves_no_token_for_a_caption_is_refused(model):
    Captioner(params(model, prompt="a picture of", min_length=0, max_length=5), "cpu")
    message = r"^blip.prompt is 4 tokens with the start token, so blip.max_length must be more, got 4$"
    with pytest.raises(SettingError, match=message):
        Captioner(params(model, prompt="a picture of", min_length=0, max_length=4), "cpu")


def test_another_revision_is_refused(model):
    with pytest.raises(ModelError, match="has revision"):
        Captioner(params((model[0], "f" * 16)), "cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_length": 3}, r"^blip.max_length must be at least blip.min_length \(4\), got 3"),
        ({"min_length": -1}, "^blip.min_length should be greater than or equal to 0, got -1"),
        ({"beams": None}, "^blip.beams must be set where blip.decoding is beam, got None"),
        ({"top_p": 0.9}, "^blip.top_p is read only where blip.decoding is nucleus: leave it empty, got 0.9"),
        ({"seed": 1}, "^blip.seed is read only where blip.decoding is nucleus: leave it empty, got 1"),
        (NUCLEUS | {"beams": 3}, "^blip.beams is read only where blip.decoding is beam: leave it empty, got 3"),
        (NUCLEUS | {"top_p": None}, "^blip.top_p must be set where blip.decoding is nucleus, got None"),
        (NUCLEUS | {"seed": None}, "^blip.seed must be set where blip.decoding is nucleus, got None"),
        ({"decoding": "topk"}, "^blip.decoding should be 'beam' or 'nucleus', got 'topk'"),
    ],
)
def test_settings_that_contradict_are_refused(tmp_path, model, changes, message):
    values = params(model).model_dump() | changes
    path = tmp_path / "params.yaml"
    path.write_text("blip:\n" + "".join(f"  {key}: {_yaml(value)}\n" for key, value in values.items()))
    with pytest.raises(SettingError, match=message) as refused:
        load(BlipParams, "blip", path)
    assert len(str(refused.value).splitlines()) == 1


def _yaml(value):
    return "" if value is None else repr(value)


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("two red circles over a white ground", None),
        ("the the end", None),
        ("", "no_caption"),
        ("  ", "no_caption"),
        ("a a a", "repeated_words"),
        ("A star STAR star", "repeated_words"),
        ("red star red star red star", "repeated_words"),
        ("on a red star, a red star, a red star, ", "repeated_words"),
        ("a red star and a red star", None),
    ],
)
def test_captions_that_are_stuck_are_told_from_others(caption, reason):
    assert fault(caption) == reason

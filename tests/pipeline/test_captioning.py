import pyarrow as pa
import pytest

from pipeline.captioning import RESULT, BlipParams, Captioner, fault
from pipeline.errors import ModelError, SettingError
from pipeline.images import ImageParams, encode
from pipeline.params import load
from tests.pipeline.frozen_models import WORDS, blip_folder, noise, picture

PNG = ImageParams(side_px=16, resize="squash", format="png", quality=95)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return blip_folder(tmp_path_factory.mktemp("blip"))


def params(model, **changes):
    values = {"prompt": "", "beams": 2, "min_length": 4, "max_length": 8}
    return BlipParams(model=model[0], revision=model[1], **values | changes)


def test_the_operator_gives_a_caption_a_key(model):
    captioner = Captioner(params(model), "cpu")
    table = pa.table({"key": ["b", "a"], "image": [encode(picture(), PNG), encode(noise(1), PNG)]})
    captions = captioner(table)
    assert captions.column_names == ["key", *RESULT.names]
    assert captions.column("key").to_pylist() == ["b", "a"]
    assert captions.column("simple_prompt").to_pylist() == captioner.captions([picture(), noise(1)])
    assert {word for text in captions.column("simple_prompt").to_pylist() for word in text.split()} <= {*WORDS}


def test_a_caption_does_not_depend_on_its_batch(model):
    captioner = Captioner(params(model), "cpu")
    pictures = [noise(seed, side) for seed, side in enumerate((16, 24, 40, 31))]
    together = captioner.captions(pictures)
    assert len(set(together)) > 1
    assert together == [captioner.captions([one])[0] for one in pictures]
    assert captioner.captions(pictures[::-1]) == together[::-1]


def test_the_same_model_says_the_same_again(model):
    pictures = [noise(seed) for seed in range(3)]
    assert Captioner(params(model), "cpu").captions(pictures) == Captioner(params(model), "cpu").captions(pictures)


def test_the_prompt_is_gone_on_from_and_cut_off(model):
    captioner = Captioner(params(model, prompt="a picture of", min_length=0), "cpu")
    asked = []
    generate = captioner._model.generate
    captioner._model.generate = lambda **options: asked.append(options["input_ids"].tolist()) or generate(**options)
    caption = captioner.captions([picture()])[0]
    words = captioner._tokenizer.convert_ids_to_tokens(asked[0][0])
    assert words[1:4] == ["a", "picture", "of"]
    assert len(caption.split()) <= 8 - 4


def test_lengths_count_all_tokens(model):
    captioner = Captioner(params(model, min_length=8, max_length=8), "cpu")
    assert len(captioner.captions([picture()])[0].split()) <= 7  # without the start token


def test_a_length_beyond_the_model_is_refused(model):
    with pytest.raises(SettingError, match=r"blip.max_length must be at most 16 for this BLIP, got 17"):
        Captioner(params(model, max_length=17), "cpu")


def test_another_revision_is_refused(model):
    with pytest.raises(ModelError, match="has revision"):
        Captioner(params((model[0], "f" * 16)), "cpu")


def test_lengths_that_contradict_are_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("blip: {model: m, revision: r, prompt: '', beams: 3, min_length: 9, max_length: 5}")
    with pytest.raises(SettingError, match=r"blip.max_length must be at least blip.min_length \(9\), got 5"):
        load(BlipParams, "blip", path)
    path.write_text("blip: {model: m, revision: r, prompt: '', beams: 3, min_length: -1, max_length: 5}")
    with pytest.raises(SettingError, match=r"^blip.min_length should be greater than or equal to 0, got -1"):
        load(BlipParams, "blip", path)


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

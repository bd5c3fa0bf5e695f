import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.special import expit

from pipeline.errors import InputError, ModelError
from pipeline.metrics import measuring, pictures
from pipeline.metrics.clip_models import Logit
from pipeline.metrics.judging import ANSWERS, Judge
from pipeline.metrics.measuring import measure
from pipeline.metrics.readers import Measured
from pipeline.work import ResultStore
from tests.pipeline.metrics.fake_gauges import RedScorer, clip_gauge, dark_gauge, no_weights
from tests.stages.generated_images import PROMPTS, write_sample

ARMS = ("base", "adapted", "complex")
KNOWN = {prompt.id: prompt for prompt in PROMPTS}


def _redness(image: Image.Image) -> float:
    return image.getpixel((0, 0))[0] / 255


@pytest.fixture
def sampled(tmp_path: Path) -> Path:
    write_sample(tmp_path, lambda arm, index: "black" if arm == "base" and index else "red")
    return tmp_path


def _judge(quality: object = None, **options: Any) -> Judge:
    return Judge(
        "fake", "0" * 16, lambda image, atoms: [_answer(index) for index in range(len(atoms))], quality, **options
    )


def _answer(index: int) -> dict[str, object]:
    return {"atom": index, "p": 1.0, "verdict": True, "reason": ""}


def _measured(sampled: Path, *readers: Any) -> Measured:
    gauges = [each for each in readers if not isinstance(each, Judge)]
    judges = [each for each in readers if isinstance(each, Judge)]
    return measure(sampled / "parts", pictures.read(sampled / "manifest.parquet"), KNOWN, gauges, judges)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    seen: list[bytes] = []
    decode = measuring.decode
    monkeypatch.setattr(measuring, "decode", lambda content: seen.append(content) or decode(content))
    return seen


def test_every_picture_is_rated_once_whatever_its_prompt(sampled: Path) -> None:
    found = _measured(sampled, _judge(_redness))
    assert len(found.scores["judge_quality"]) == 10
    dark = {name for name, value in found.scores["judge_quality"].items() if value == 0}
    assert dark == {"disc/01/base", "pair/01/base"}
    assert found.versions["judge_quality"] == "fake " + "0" * 16
    assert found.rater == "fake"


def test_the_first_judge_that_rates_gives_the_quality(sampled: Path) -> None:
    second = replace(_judge(lambda image: 0.5), name="second")
    found = _measured(sampled, _judge(), _judge(_redness), second)
    assert found.rater == "fake"
    assert set(found.scores["judge_quality"].values()) == {0.0, 1.0}


def test_a_judge_that_does_not_rate_leaves_no_quality(sampled: Path) -> None:
    found = _measured(sampled, _judge())
    assert found.scores == {}
    assert len(found.verdicts) == 14


def test_without_gauges_and_judges_nothing_is_read(sampled: Path, decoded: list[bytes]) -> None:
    assert _measured(sampled) == Measured()
    assert decoded == []


def test_a_quality_out_of_range_names_judge_and_image(sampled: Path) -> None:
    with pytest.raises(ValueError, match=r"fake gave a quality of 2\.0 for disc/00/adapted"):
        _measured(sampled, _judge(lambda image: 2 * _redness(image)))


def test_each_picture_is_decoded_once_for_all_metrics_and_the_judge(sampled: Path, decoded: list[bytes]) -> None:
    gauges = [clip_gauge(), clip_gauge(name="pickscore", model="other"), dark_gauge()]
    found = _measured(sampled, *gauges, _judge())
    assert len(decoded) == 10
    assert {name: len(values) for name, values in found.scores.items()} == {
        "clip_cosine": 10,
        "clip_score": 8,
        "pickscore_cosine": 10,
        "pickscore_score": 8,
        "brisque": 10,
    }
    assert found.versions["clip_score"] == "1, red 1"


def test_pictures_with_the_same_bytes_are_read_once(sampled: Path, decoded: list[bytes]) -> None:
    scorer = RedScorer()
    _measured(sampled, clip_gauge(lambda: scorer))
    assert len(decoded) == 2  # one red, one black
    assert scorer.seen == [64]  # one call, filled up


def test_another_metric_reads_pictures_for_itself_alone(sampled: Path, decoded: list[bytes]) -> None:
    first = _measured(sampled, clip_gauge())
    decoded.clear()
    again = _measured(sampled, clip_gauge(no_weights), dark_gauge())
    assert again.scores["clip_cosine"] == first.scores["clip_cosine"]
    assert again.scores["clip_score"] == first.scores["clip_score"]
    assert len(decoded) == 2
    decoded.clear()
    _measured(sampled, clip_gauge(no_weights), dark_gauge(no_weights))
    assert decoded == []


def test_the_scale_may_be_the_models_own(sampled: Path) -> None:
    own, fixed = _measured(sampled, clip_gauge(logit_scale=None)), _measured(sampled, clip_gauge(logit_scale=50.0))
    assert own.scores == fixed.scores
    soft = _measured(sampled, clip_gauge(logit_scale=5.0)).scores["clip_score"]
    assert soft["disc/01/adapted"] == pytest.approx(1 / (1 + math.exp(-5.0)))  # its cosine is 1, the base picture's 0
    assert own.scores["clip_score"]["disc/01/adapted"] == pytest.approx(1.0)


def test_siglip_has_a_sigmoid_and_no_pairing(sampled: Path) -> None:
    found = _measured(sampled, clip_gauge(kind="siglip", name="siglip", logit_scale=None)).scores
    assert set(found) == {"siglip_cosine", "siglip_sigmoid"}
    assert found["siglip_sigmoid"]["disc/00/base"] == pytest.approx(1.0)
    assert found["siglip_sigmoid"]["disc/01/base"] == pytest.approx(4.5e-5, rel=0.01)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_where_nothing_is_new_no_model_is_loaded_for_its_scale(sampled: Path, kind: str) -> None:
    """Their gauges ask the model for scale and bias; an odd scale shows that they are kept as they are."""
    scorer = RedScorer()
    scorer.logit = Logit(float(np.float32(117.330765)), float(np.float32(-12.932437)))
    options = {"kind": kind, "name": kind, "logit_scale": None}
    first = _measured(sampled, clip_gauge(lambda: scorer, **options))
    again = _measured(sampled, clip_gauge(no_weights, **options))
    assert again == first
    assert again.missing == {}
    pair = ("disc/01/base", "disc/01/adapted")
    if kind == "siglip":
        cosine = first.scores["siglip_cosine"][pair[0]]
        assert first.scores["siglip_sigmoid"][pair[0]] == float(expit(scorer.logit.scale * cosine + scorer.logit.bias))
    else:
        base, ours = (first.scores["clip_cosine"][name] for name in pair)
        assert first.scores["clip_score"][pair[1]] == float(expit(scorer.logit.scale * (ours - base)))


def test_missing_weights_leave_a_reason_and_no_value(sampled: Path) -> None:
    found = _measured(sampled, clip_gauge(no_weights), dark_gauge())
    assert found.missing == {"clip_cosine": "weights X missing", "clip_score": "weights X missing"}
    assert set(found.scores) == {"brisque"}


def test_a_model_that_is_gone_when_a_new_text_comes_is_told(sampled: Path) -> None:
    _measured(sampled, clip_gauge())
    reworded = {name: type(prompt)(**{**vars(prompt), "text": "new"}) for name, prompt in KNOWN.items()}
    shown = pictures.read(sampled / "manifest.parquet")
    found = measure(sampled / "parts", shown, reworded, [clip_gauge(no_weights)], [])
    assert found.missing["clip_score"] == "weights X missing"


class _Picky:
    def values(self, shown: Any) -> list[float]:
        raise InputError("a picture is too small")


def test_a_metric_that_is_not_defined_for_a_picture_is_told(sampled: Path) -> None:
    found = _measured(sampled, dark_gauge(_Picky), clip_gauge())
    assert found.missing == {"brisque": "a picture is too small"}
    assert "clip_cosine" in found.scores


def _kept(store: ResultStore, asked: list[int], **options: Any) -> Judge:
    def ask(image: Image.Image, atoms: Any) -> list[dict[str, object]]:
        asked.append(len(atoms))
        return [_answer(index) for index in range(len(atoms))]

    return Judge("model", "1" * 16, ask, store=store, **options)


def test_a_judge_with_a_model_is_asked_once_about_a_picture_and_its_atoms(sampled: Path) -> None:
    asked: list[int] = []
    store = ResultStore("evaluate", {"judge": "model"}, ANSWERS)
    first = _measured(sampled, _kept(store, asked, load=lambda: None))
    assert len(first.verdicts) == 14
    seen = len(asked)
    again = _measured(sampled, _kept(ResultStore("evaluate", {"judge": "model"}, ANSWERS), asked, load=no_weights))
    assert again.verdicts == first.verdicts
    assert len(asked) == seen


def test_a_judge_with_figures_gives_soft_scores_of_images_whose_atoms_it_all_answered(sampled: Path) -> None:
    answers = [
        {"atom": 0, "p": 0.9, "verdict": True, "reason": ""},
        {"atom": 1, "p": 0.4, "verdict": False, "reason": ""},
    ]
    judge = Judge("model", "1" * 16, lambda image, atoms: answers[: len(atoms)], figures="vqa")
    found = _measured(sampled, judge).scores
    assert (found["vqa_soft"]["pair/00/base"], found["vqa_atoms"]["pair/00/base"]) == (pytest.approx(0.6), 0.5)
    partly = Judge(
        "model", "1" * 16, lambda *asked: answers[:1], can=lambda atom: atom["skill"] == "colour", figures="vqa"
    )
    assert set(_measured(sampled, partly).scores["vqa_soft"]) == {f"disc/0{i}/{arm}" for i in (0, 1) for arm in ARMS}


def test_soft_scores_follow_a_statements_parents_and_its_verdict_does_not(sampled: Path) -> None:
    prompts = dict(KNOWN)
    prompts["pair"] = replace(KNOWN["pair"], atoms=({"skill": "colour"}, {"skill": "counting", "depends_on": [0]}))
    answers = [
        {"atom": 0, "p": 0.4, "verdict": False, "reason": ""},
        {"atom": 1, "p": 0.9, "verdict": True, "reason": ""},
    ]
    judge = Judge("model", "1" * 16, lambda image, atoms: answers[: len(atoms)], figures="vqa")
    found = measure(sampled / "parts", pictures.read(sampled / "manifest.parquet"), prompts, [], [judge])
    assert (found.scores["vqa_soft"]["pair/00/base"], found.scores["vqa_atoms"]["pair/00/base"]) == (0.0, 0.0)
    said = [row["verdict"] for row in found.verdicts if row["sample_id"] == "pair/00/base"]
    assert said == [False, True]


def test_a_judge_without_its_weights_leaves_a_reason(sampled: Path) -> None:
    found = _measured(sampled, _judge(load=no_weights))
    assert (found.verdicts, found.missing) == ([], {"verdicts of fake": "weights X missing"})


def test_a_judge_that_can_answer_nothing_loads_nothing(sampled: Path, decoded: list[bytes]) -> None:
    found = _measured(sampled, _judge(can=lambda atom: False, load=no_weights))
    assert (found.verdicts, found.missing, decoded) == ([], {}, [])


def test_the_weights_are_asked_for_once(sampled: Path) -> None:
    built: list[int] = []

    def build() -> RedScorer:
        built.append(1)
        return RedScorer()

    _measured(sampled, clip_gauge(build))
    assert built == [1]
    with pytest.raises(ModelError, match="weights X missing"):
        clip_gauge(no_weights).load()

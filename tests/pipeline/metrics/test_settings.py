from pathlib import Path
from typing import Any

import pytest

from pipeline import params
from pipeline.errors import SettingError
from pipeline.metrics.settings import EvaluateParams

ROOT = Path(__file__).parents[3]
CLIP = {"kind": "clip", "name": "clip", "library": "open_clip", "model": "m", "revision": "r", "weights": None}
CLIP |= {"dtype": "float32", "logit_scale": 100.0}
PLAIN = {"judges": [], "confidence": 0.95, "bootstrap": 200, "equivalence_margin_sd": 0.2, "seed": 0}


def _parsed(*metrics: dict[str, Any], **changed: Any) -> EvaluateParams:
    return EvaluateParams.model_validate({**PLAIN, "metrics": list(metrics), **changed})


def test_the_papers_profile_computes_all_its_metrics() -> None:
    config = params.load(EvaluateParams, "evaluate", ROOT / "profiles/paper.yaml")
    figures = [figure for metric in config.metrics for figure in metric.figures]
    assert figures == ["clip_cosine", "clip_score", "brisque", "clip_iqa", "musiq"]
    assert config.judges == ()


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([CLIP, CLIP], "give clip_cosine, clip_score twice"),
        ([{**CLIP, "library": "transformers", "weights": "x.pt"}], "weights goes with library open_clip"),
        ([{**CLIP, "kind": "siglip"}], "logit_scale must be empty for kind siglip"),
        ([{**CLIP, "kind": "fid"}], "does not match any of the expected tags"),
        ([{**CLIP, "name": "My Clip"}], "should match pattern"),
    ],
)
def test_contradictions_are_refused(metrics: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _parsed(*metrics)


def test_clip_iqa_needs_a_resnet_of_open_clip() -> None:
    entry = {key: CLIP[key] for key in ("model", "revision", "weights", "dtype")}
    entry |= {"kind": "clip_iqa", "pairs": [["Good photo.", "Bad photo."]]}
    with pytest.raises(ValueError, match="must be open_clip"):
        _parsed({**entry, "library": "transformers"})
    assert _parsed({**entry, "library": "open_clip"}).metrics[0].figures == ("clip_iqa",)


def test_a_judge_stands_once() -> None:
    judge = {"kind": "vqa", "model": "m", "revision": "r", "dtype": "float32"}
    assert [each.name for each in _parsed(judges=[judge]).judges] == ["vqa: m"]
    with pytest.raises(ValueError, match="name one judge twice: vqa: m, vqa: m"):
        _parsed(judges=[judge, judge])
    with pytest.raises(ValueError, match="take one judge of kind vqa"):
        _parsed(judges=[judge, {**judge, "model": "n"}])


def test_two_models_may_stand_side_by_side_under_two_names() -> None:
    config = _parsed(CLIP, {**CLIP, "name": "pickscore", "library": "transformers", "logit_scale": None})
    assert [metric.figures[1] for metric in config.metrics] == ["clip_score", "pickscore_score"]


def test_a_wrong_value_is_one_line_with_its_key(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text().replace("logit_scale: 100.0", "logit_scale: -1.0")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(SettingError, match=r"evaluate\.metrics\.0\.logit_scale should be greater than 0"):
        params.load(EvaluateParams, "evaluate", tmp_path / "params.yaml")

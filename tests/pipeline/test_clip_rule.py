import hashlib
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import clip_rule
from pipeline.clip_rule import REASONS, ClipParams, bounds, check_model, reasons, slack
from pipeline.errors import ModelError, SettingError
from pipeline.params import load
from tests.pipeline.frozen_models import clip_folder, clip_params

SCORES = st.lists(st.tuples(st.floats(-100, 100, width=32), st.floats(-100, 100, width=32)), min_size=1)
BOUND = st.none() | st.floats(-100, 100)


def told(simple, complex_, **rule):
    return reasons(np.array(simple, np.float32), np.array(complex_, np.float32), clip_params(**rule)).to_pylist()


def test_the_papers_rule_keeps_ties():
    simple, complex_ = [30, 25, 20], [29, 25, 21]
    assert told(simple, complex_) == [None, None, "simple_scores_lower"]
    assert told(simple, complex_, margin=1.0) == [None, "simple_scores_lower", "simple_scores_lower"]
    assert told(simple, complex_, margin=-1.0) == [None, None, None]


def test_a_minimum_is_kept_when_it_is_just_reached():
    assert told([20, 19.9], [10, 10], min_simple=20.0) == [None, "simple_below_minimum"]
    assert told([20, 20], [10, 9.9], min_complex=10.0) == [None, "complex_below_minimum"]


def test_of_several_reasons_the_first_in_the_stated_order_is_told():
    assert told([1], [2], min_simple=5.0, min_complex=5.0) == [REASONS[0]]
    assert told([2], [1], min_simple=5.0, min_complex=5.0) == [REASONS[1]]
    assert told([6], [1], min_simple=5.0, min_complex=5.0) == [REASONS[2]]


@given(SCORES, st.floats(-100, 100), st.floats(0, 50), BOUND, BOUND)
def test_more_asked_never_keeps_more(pairs, margin, more, min_simple, min_complex):
    simple, complex_ = np.array(pairs, np.float32).T
    lax = clip_params(margin=margin)
    strict = lax.model_copy(update={"margin": margin + more, "min_simple": min_simple, "min_complex": min_complex})
    kept = [np.array(reasons(simple, complex_, rule).is_null()) for rule in (strict, lax)]
    assert not (kept[0] & ~kept[1]).any()


@given(SCORES, BOUND, BOUND)
def test_a_pair_is_kept_if_and_only_if_it_reaches_every_bound(pairs, min_simple, min_complex):
    simple, complex_ = np.array(pairs, np.float32).T
    config = clip_params(min_simple=min_simple, min_complex=min_complex)
    by_definition = [
        float(one) - float(other) >= 0
        and (min_simple is None or float(one) >= min_simple)
        and (min_complex is None or float(other) >= min_complex)
        for one, other in pairs
    ]
    assert reasons(simple, complex_, config).is_null().to_pylist() == by_definition
    assert (slack(simple, complex_, config).min(axis=1) >= 0).tolist() == by_definition


def test_the_rule_is_said_with_what_it_asks():
    assert bounds(clip_params()) == "clip.margin 0"
    assert bounds(clip_params(margin=2.5, min_complex=20.0)) == "clip.margin 2.5, clip.min_complex 20"


def test_the_rule_decides_no_score_and_long_prompts_no_pictures_features():
    config = clip_params()
    stricter = clip_params(margin=3.0, min_simple=1.0, min_complex=2.0)
    chunks = clip_params(long_prompts="mean_of_chunks")
    assert config.scores() == stricter.scores() != chunks.scores()
    assert config.pictures() == stricter.pictures() == chunks.pictures() != clip_params(dtype="bfloat16").pictures()
    assert "margin" not in config.scores()


def section(tmp_path, **changed):
    path = tmp_path / "params.yaml"
    values = {**clip_params().model_dump(), **changed}
    lines = [f"  {key}: {'' if value is None else value}" for key, value in values.items()]
    path.write_text("\n".join(["clip:", *lines]) + "\n")
    return path


def test_wrong_values_are_told_in_one_line(tmp_path):
    with pytest.raises(SettingError, match=r"clip.margin .* got 'wide'"):
        load(ClipParams, "clip", section(tmp_path, margin="wide"))
    with pytest.raises(SettingError, match=r"clip.long_prompts .* got 'fold'"):
        load(ClipParams, "clip", section(tmp_path, long_prompts="fold"))
    with pytest.raises(SettingError, match=r"clip.weights goes with an architecture .* got 'a.pt'"):
        load(ClipParams, "clip", section(tmp_path, model="someone/clip", weights="a.pt"))
    assert load(ClipParams, "clip", section(tmp_path)) == clip_params()


def test_an_architecture_that_open_clip_lacks_is_told_with_the_nearest():
    check_model(clip_params(model="ViT-B-32-quickgelu", revision="openai"))
    check_model(clip_params(model="someone/CLIP", revision="abc"))
    with pytest.raises(ModelError, match=r"^ViT-B-33 is no folder.* did you mean ViT-B-32\?$"):
        check_model(clip_params(model="ViT-B-33", revision="openai"))
    with pytest.raises(ModelError, match=r"no architecture of open_clip$"):
        check_model(clip_params(model="Unheard", revision="openai"))


def test_without_open_clip_no_architecture_is_refused(monkeypatch):
    monkeypatch.setattr(clip_rule.importlib.util, "find_spec", lambda _: None)
    assert clip_rule.architectures() == []
    check_model(clip_params(model="Unheard", revision="openai"))


def test_folders_and_files_of_weights_must_be_what_the_revision_says(tmp_path):
    model, revision = clip_folder(tmp_path / "clip")
    check_model(clip_params(model=model, revision=revision))
    with pytest.raises(ModelError, match=f"has revision {revision}, not 0"):
        check_model(clip_params(model=model, revision="0"))
    path = tmp_path / "weights.pt"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()[:16]
    named = {"model": "ViT-B-32", "weights": str(path)}
    check_model(clip_params(revision=digest, **named))
    with pytest.raises(ModelError, match=f"file of weights {re.escape(str(path))} has revision {digest}, not 0"):
        check_model(clip_params(revision="0", **named))
    path.unlink()
    with pytest.raises(ModelError, match="is missing: name a file that exists"):
        check_model(clip_params(revision=digest, **named))

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.metrics import gauges
from pipeline.metrics.brisque import revision
from pipeline.metrics.settings import BrisqueMetric, ClipIqaMetric, MusiqMetric
from tests.pipeline.frozen_models import clip_folder, noise
from tests.pipeline.metrics.fake_gauges import clip_metric
from tests.pipeline.metrics.test_brisque import _write as write_live

IQA = {"kind": "clip_iqa", "library": "open_clip", "model": "RN50-quickgelu", "revision": "openai", "dtype": "float32"}


def _brisque(folder, named):
    return BrisqueMetric(kind="brisque", weights=str(folder), revision=named)


def test_each_kind_is_built_from_its_setting(tmp_path):
    model, named = clip_folder(tmp_path / "clip")
    clip = gauges.gauge(clip_metric(model=model, revision=named), "cpu")
    clip.read({"sha": noise(1)})
    assert clip.figures(["sha"], ["a red circle"])["clip_cosine"].shape == (1,)
    live = write_live(tmp_path / "live")
    gauge = gauges.gauge(_brisque(live, revision(live)), "cpu")
    gauge.read({"sha": noise(1, 32)})
    assert np.isfinite(gauge.figures(["sha"], ["unread"])["brisque"]).all()
    assert gauge.pairing() is None
    assert gauge.version == f"1, brisque {revision(live)}"


def test_brisque_by_another_regression_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"have revision .*, not e18c"):
        gauges.gauge(_brisque(write_live(tmp_path / "live"), "e18c"), "cpu").load()


@pytest.mark.parametrize(
    "metric",
    [
        _brisque("nowhere/live", "0"),
        MusiqMetric(kind="musiq", weights="nowhere/musiq.pth", revision="0" * 8),
        ClipIqaMetric(**IQA, weights="nowhere/RN50.pt", pairs=(("a", "b"),)),
        clip_metric(weights="nowhere/clip.pt"),
    ],
)
def test_missing_weights_are_told_by_their_path(metric):
    with pytest.raises(ModelError, match=r"^weights nowhere/\S+ missing$"):
        gauges.gauge(metric, "cpu").load()


def test_weights_of_musiq_and_clip_iqa_are_looked_at(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"x")
    with pytest.raises(ModelError, match="have revision"):
        gauges.gauge(MusiqMetric(kind="musiq", weights=str(path), revision="0" * 8), "cpu").load()
    with pytest.raises(ModelError, match="revision"):
        gauges.gauge(ClipIqaMetric(**IQA, weights=str(path), pairs=(("a", "b"),)), "cpu").load()


def test_a_path_does_not_decide_a_reading_and_a_revision_does(tmp_path):
    one, moved, other = (
        gauges.gauge(_brisque(path, named), "cpu").store.folder for path, named in (("a", "1"), ("b", "1"), ("a", "2"))
    )
    assert one == moved != other

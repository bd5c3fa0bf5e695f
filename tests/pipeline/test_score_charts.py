import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline import score_charts
from tests.pipeline.frozen_models import clip_params


def scores(count, seed=0):
    rng = np.random.default_rng(seed)
    simple, complex_ = rng.normal(25, 3, count).astype(np.float32), rng.normal(24, 3, count).astype(np.float32)
    return pa.table({"score_simple": simple, "score_complex": complex_, "kept": simple >= complex_})


def test_a_chart_has_the_same_bytes_for_the_same_scores_and_others_for_another_rule(tmp_path):
    for draw in (score_charts.scatter, score_charts.differences):
        files = []
        for number, rule in enumerate(({}, {}, {"margin": 1.0, "min_simple": 20.0, "min_complex": 22.0})):
            draw(scores(50), clip_params(**rule), tmp_path / f"{number}.png")
            files.append((tmp_path / f"{number}.png").read_bytes())
        assert files[0] == files[1] != files[2]


def test_of_very_many_pairs_a_fixed_number_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(score_charts, "MOST_POINTS", 10)
    drawn = score_charts._drawn(100)
    assert drawn.sum() == 10
    assert (drawn == score_charts._drawn(100)).all()
    assert score_charts._drawn(7).all()
    score_charts.scatter(scores(100), clip_params(), tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as chart:
        assert chart.size == (624, 672)


def test_gaps_are_simple_less_complex():
    table = pa.table({"score_simple": pa.array([3.0], pa.float32()), "score_complex": pa.array([1.0], pa.float32())})
    assert score_charts.gaps(table).tolist() == [2.0]

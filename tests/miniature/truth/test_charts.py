import numpy as np
import pytest
from PIL import Image

from miniature.truth import charts
from miniature.truth.encoders import TEXT
from miniature.truth.rules import Rule, curve
from miniature.truth.section_probes import layers
from tests.miniature.truth import made
from tests.miniature.truth.test_rules import PAIRS


def test_every_chart_is_a_picture(tmp_path):
    sweep = curve(Rule(margin=0.0), "min_complex", PAIRS)
    nothing = {key: [] for key in sweep}
    probed = made.probes()
    charts.scores(PAIRS, Rule(0.0, 90.0), tmp_path / "a.png")
    charts.sweep({"train": sweep, "other": nothing}, 90.0, tmp_path / "b.png")
    mixed = probed["mixed"]
    charts.probes(layers(mixed), mixed[TEXT], probed["chance"], tmp_path / "c.png", title="Probes")
    for name in "abc":
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.width >= 768
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 20


def test_the_same_figures_are_the_same_bytes(tmp_path):
    for name in "ab":
        charts.scores(PAIRS, Rule(0.0, 90.0), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_an_axis_begins_below_the_least_score():
    assert charts.lowest(np.array([3.0, -60.0])) == -65.0
    assert charts.lowest(np.array([])) == 95.0


@pytest.mark.parametrize("score", [-60.0, 0.0, 90.0, 99.5])
def test_the_stretched_axis_can_be_read_back(score):
    assert charts._restored(charts._squeezed(np.array([score])))[0] == pytest.approx(score)

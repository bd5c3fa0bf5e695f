from dataclasses import replace

import pytest
from PIL import Image

from pipeline.studies import choice_page
from pipeline.studies.choosing import closed, repeats, sentences, trials
from pipeline.studies.definitions import TRIED, Row, Study
from pipeline.studies.sentences import Findings
from tests.pipeline.studies.made_outcomes import outcome

IN_FORCE = {key: values[1] for key, values in TRIED.items()}
RATE = "train.learning_rate"


def trained(adapted, overrides=None, tried=None, base=0.1, ceiling=0.05):
    overrides = overrides or {}
    made = Row(" ".join(map(str, overrides.values())), f"row {overrides}", overrides, tried=tried)
    return replace(outcome(accuracy={}), row=made, validation={"adapted": adapted, "base": base, "complex": ceiling})


def found(outcomes, failed=None):
    return Findings(Study("choice", "Choosing", [], until="train"), outcomes, failed or {}, [], 0.95, IN_FORCE)


SEEDS = [trained(0.06), trained(0.061, {"train.seed": 1}), trained(0.059, {"train.seed": 2})]


def test_the_share_of_the_gap_follows_its_definition():
    assert closed(trained(0.06)) == pytest.approx((0.1 - 0.06) / (0.1 - 0.05))
    assert closed(trained(0.1)) == 0
    assert closed(trained(0.12)) == pytest.approx(-0.4)
    assert closed(trained(0.06, ceiling=0.1)) is None
    assert closed(trained(None)) is None


def test_seeds_span_what_the_values_in_force_reach():
    spread = repeats([*SEEDS, trained(0.0, {RATE: 1.0}, RATE)])
    assert (spread.first, spread.lowest, spread.highest, spread.count) == pytest.approx((0.8, 0.78, 0.82, 3))
    assert spread.span == pytest.approx(0.04)
    assert repeats(SEEDS[:1]) is None
    assert repeats(SEEDS[1:]) is None


def test_trials_stand_in_order_with_the_value_in_force_among_them():
    made = trials([*SEEDS, trained(0.055, {RATE: 3e-3}, RATE), trained(0.09, {RATE: 3e-4}, RATE)], IN_FORCE)
    assert [(trial.value, trial.in_force) for trial in made[RATE]] == [(3e-4, False), (1e-3, True), (3e-3, False)]
    assert [trial.closed for trial in made[RATE]] == pytest.approx([0.2, 0.8, 0.9])
    assert [len(made[key]) for key in TRIED if key != RATE] == [1] * (len(TRIED) - 1)


@pytest.mark.parametrize(
    ("adapted", "said"),
    [
        (0.055, "most is closed with 0.003, 90.0 %, +10.0 points beside 0.001, the value in force: more than"),
        (0.0595, "+1.0 points beside 0.001, the value in force: no more than the seeds lie apart."),
        (0.09, "none of 0.001, 0.003 closes more than 0.001, the value in force."),
    ],
)
def test_a_setting_is_told_with_what_its_difference_means(adapted, said):
    _, about_rate, *_ = sentences(found([*SEEDS, trained(adapted, {RATE: 3e-3}, RATE)]))
    assert about_rate.startswith(f"{RATE}: ")
    assert said in about_rate


def test_without_repetitions_nothing_is_said_of_what_differences_mean():
    first, about_rate = sentences(found([trained(0.055, {RATE: 3e-3}, RATE)]))
    assert "is not known" in first
    assert about_rate == f"{RATE}: 0.003 closes most, 90.0 %."


def test_the_page_shows_each_value_and_each_seed(tmp_path):
    rows = [*SEEDS, trained(0.055, {RATE: 3e-3}, RATE)]
    tried = found(rows, {"row x": "out of memory"})
    page = choice_page.as_markdown(tried, choice_page.as_json(tried), ["choice.png"])
    assert f"| `{RATE}` | **0.001** (in force) | 0.06000 | 80.0 % | – |" in page
    assert f"| `{RATE}` | 0.003 | 0.05500 | 90.0 % | +10.0 |" in page
    assert "| row x | no result |" in page
    assert "| row {'train.seed': 1} | 0.10000 | 0.05000 | 0.06100 | 78.0 % |" in page
    assert choice_page.as_json(found(rows))["seeds"]["highest"] == pytest.approx(0.82)
    assert choice_page.draw(found(rows), tmp_path / "choice.png")
    with Image.open(tmp_path / "choice.png") as drawn:
        assert drawn.width == 1044


def test_without_results_there_is_no_chart(tmp_path):
    assert not choice_page.draw(found([trained(None)]), tmp_path / "choice.png")
    assert not (tmp_path / "choice.png").exists()

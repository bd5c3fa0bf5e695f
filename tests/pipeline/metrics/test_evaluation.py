import dataclasses

import numpy as np
import pytest
from statsmodels.stats.weightstats import ttost_paired

from pipeline.metrics import evaluation
from pipeline.metrics.evidence import Evidence, People
from pipeline.metrics.pictures import Picture
from pipeline.metrics.preference import Choice
from pipeline.metrics.readers import Measured, paired_scores
from pipeline.metrics.settings import EvaluateParams
from pipeline.prompts import Prompt

CONFIG = EvaluateParams(metrics=(), judges=(), confidence=0.95, bootstrap=200, equivalence_margin_sd=0.2, seed=0)
LINE = {"base": 0.1, "adapted": 0.4, "low": 0.2, "high": 0.5, "p": 0.01, "p_holm": 0.02, "pairs": 80, "mcnemar_p": None}


def test_experiments_are_told_apart_by_a_few_figures():
    found = {"accuracy": {"colour": LINE, "all": {**LINE, "p_holm": None}}, "clip_score": {"all": {"adapted": 0.6}}}
    assert evaluation.headline(found) == {
        "colour": {"base": 0.1, "adapted": 0.4, "low": 0.2, "high": 0.5, "p_holm": 0.02},
        "all": {"base": 0.1, "adapted": 0.4, "low": 0.2, "high": 0.5},
        "clip_score": 0.6,
    }


def test_reference_arms_stand_in_the_headline_where_they_were_drawn():
    found = evaluation.headline({"accuracy": {"colour": {**LINE, "complex": 0.9, "expanded": 0.3}}})
    assert list(found["colour"]) == ["base", "complex", "expanded", "adapted", "low", "high", "p_holm"]
    assert found["colour"]["expanded"] == 0.3


def test_what_was_not_computed_is_absent_from_the_headline():
    assert evaluation.headline({}) == {}
    assert evaluation.headline({"clip_score": {"all": {"adapted": 0.6}}}) == {"clip_score": 0.6}


def _evidence(qualities: dict[str, float], cosines: dict[str, float] | None = None) -> Evidence:
    pictures = [
        Picture(f"p{prompt}/00/{arm}", arm, f"p{prompt}", "colour", 0)
        for prompt in range(8)
        for arm in ("base", "adapted")
    ]
    scores = {"judge_quality": qualities, "clip_cosine": cosines or {}}
    if cosines:
        scores["clip_score"] = paired_scores(cosines, pictures, 100.0)
    versions = {"judge_quality": "fake 0123", "clip_cosine": "1, clip abc", "clip_score": "1, clip abc"}
    return Evidence(pictures, Measured(scores, versions), People([], [], {}))


def _rated() -> dict[str, float]:
    rng = np.random.default_rng(0)
    base = rng.uniform(0.2, 0.9, 8)
    arms = {"base": base, "adapted": base + rng.normal(0.01, 0.02, 8)}
    return {f"p{prompt}/00/{arm}": float(values[prompt]) for arm, values in arms.items() for prompt in range(8)}


def test_the_judges_quality_is_compared_and_tested_for_equivalence():
    rated = _rated()
    found, _ = evaluation.figures(_evidence(rated), CONFIG)
    base, ours = (np.array([rated[f"p{prompt}/00/{arm}"] for prompt in range(8)]) for arm in ("base", "adapted"))
    margin = 0.2 * base.std(ddof=1)
    assert found["judge_quality"]["all"]["difference"] == pytest.approx((ours - base).mean(), rel=1e-5)
    assert found["judge_quality_equivalence"] == {
        "difference": pytest.approx((ours - base).mean(), rel=1e-5),
        "margin": pytest.approx(margin, rel=1e-5),
        "p": pytest.approx(ttost_paired(ours, base, -margin, margin)[0], rel=1e-5),
        "p_not_worse": pytest.approx(ttost_paired(ours, base, -margin, margin)[1][1], rel=1e-5),
    }
    assert "clip_cosine" not in found
    assert "clip_cosine_equivalence" not in found


@pytest.mark.parametrize(("step", "not_worse"), [(5.0, False), (-5.0, True)])
def test_a_higher_brisque_is_a_loss_and_a_lower_one_none(step: float, not_worse: bool) -> None:
    rng = np.random.default_rng(0)
    values = {}
    for prompt in range(8):
        base = 20.0 + rng.normal(0, 3)
        values |= {f"p{prompt}/00/base": base, f"p{prompt}/00/adapted": base + step + rng.normal(0, 0.5)}
    evidence = _evidence({})
    measured = Measured({"brisque": values}, {"brisque": "1"})
    found = evaluation.figures(dataclasses.replace(evidence, measured=measured), CONFIG)[0]["brisque_equivalence"]
    assert found["difference"] * step > 0
    assert (found["p_not_worse"] < 0.05) is not_worse
    assert found["p"] > 0.9


def test_without_a_word_on_quality_there_is_no_figure_and_no_gap():
    found, missing = evaluation.figures(_evidence({}, _rated()), CONFIG)
    assert not [name for name in (*found, *missing) if name.startswith("judge_quality")]
    assert "clip_cosine_equivalence" in found


def test_equivalence_that_is_not_defined_is_absent():
    found, _ = evaluation.figures(_evidence(dict.fromkeys(_rated(), 0.5)), CONFIG)
    assert "judge_quality" in found
    assert "judge_quality_equivalence" not in found


def test_each_score_names_what_it_depends_on():
    table = evaluation.score_table(_evidence(_rated(), _rated()))
    versions = dict(zip(table.column("metric").to_pylist(), table.column("metric_version").to_pylist(), strict=True))
    assert versions == {"clip_cosine": "1, clip abc", "clip_score": "1, clip abc", "judge_quality": "fake 0123"}
    assert table.num_rows == 3 * 16


def test_the_papers_question_is_the_headline_and_others_stand_beside_it() -> None:
    said = {"overall": ["adapted", "base", "adapted"], "text": ["base"], "flaws": ["tie"]}
    choices = [Choice(question, choice, "Ann") for question, each in said.items() for choice in each]
    found, _ = evaluation.figures(dataclasses.replace(_evidence({}), people=People([], choices, {})), CONFIG)
    assert found["preference"]["answers"] == 3
    assert found["preference_text"]["adapted"] == 0.0
    assert "preference_flaws" not in found


def test_cells_are_compared_apart_and_the_plain_one_stands_on_top() -> None:
    pictures = [
        Picture(f"p{prompt}/00/{arm}/{method}", arm, f"p{prompt}", "colour", 0, cell=f"sd {method}")
        for method in ("canny", "none")
        for prompt in range(4)
        for arm in ("base", "adapted")
    ]
    gain = {"canny": 0.25, "none": 0.125}
    scores = {each.sample_id: 0.5 + (gain[each.cell.split()[1]] if each.arm == "adapted" else 0.0) for each in pictures}
    measured = Measured({"clip_cosine": scores}, {"clip_cosine": "1"})
    choices = [Choice("overall", "adapted", "Ann", "sd canny")]
    found, missing = evaluation.figures(Evidence(pictures, measured, People([], choices, {})), CONFIG)
    assert found["clip_cosine"]["all"]["difference"] == 0.125
    assert list(found["cells"]) == ["sd none", "sd canny"]
    assert found["cells"]["sd canny"]["clip_cosine"]["all"]["difference"] == 0.25
    assert "preference" not in found
    assert found["cells"]["sd canny"]["preference"]["adapted"] == 1.0
    assert found["cells"]["sd none"]["clip_cosine"]["colour"]["p_holm"] == 2 * found["clip_cosine"]["colour"]["p"]
    assert missing["preference"] == f"none: {evaluation.NO_CHOICE}"
    assert missing["accuracy"] == evaluation.NO_JUDGE


def _judged(said: list[str], judged: list[str]) -> Evidence:
    """Pictures of two methods; people saw those of some, and a judge those of others."""
    shown = [
        Picture(f"p/00/{arm}/{method}", arm, "p", "colour", 0, cell=f"sd {method}")
        for method in ("canny", "none", "seg")
        for arm in ("base", "adapted")
    ]
    rows, verdicts = (
        [
            {"sample_id": each.sample_id, "judge": judge, "atom": 0, "verdict": True}
            for each in shown
            if each.cell.split()[1] in methods
        ]
        for judge, methods in (("person: Ann", said), ("fake", judged))
    )
    prompt = Prompt("p", "a disc", None, "colour", ({"skill": "colour"},), "authored", "authored")
    return Evidence(shown, Measured(verdicts=verdicts), People(rows, [], {}), ["fake"], {"p": prompt})


def test_what_some_methods_lack_says_which_and_why() -> None:
    found, missing = evaluation.figures(_judged(["none", "canny"], ["none", "seg"]), CONFIG)
    assert "judge_agreement" in found
    assert missing == {
        "judge_agreement": f"canny: {evaluation.NONE_IN_COMMON}; seg: {evaluation.NO_PEOPLE}",
        "preference": evaluation.NO_CHOICE,
    }
    _, missing = evaluation.figures(_judged(["none"], ["none", "seg", "canny"]), CONFIG)
    assert missing["judge_agreement"] == f"canny, seg: {evaluation.NO_PEOPLE}"


@pytest.mark.parametrize(
    ("metric", "tested"),
    [("clip_cosine", True), ("siglip_cosine", True), ("brisque", True), ("musiq", True), ("clip_score", False)],
)
def test_fit_and_quality_are_tested_for_equality(metric, tested) -> None:
    assert evaluation.is_tested_for_equality(metric) is tested

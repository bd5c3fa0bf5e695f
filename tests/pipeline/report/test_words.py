import dataclasses
from typing import Any

import pytest

from pipeline.report import words
from pipeline.report.collect import Findings
from pipeline.review.agreement import summary
from tests.pipeline.report.folder import line, metrics


def _findings(figures: dict[str, Any], missing: dict[str, str] | None = None) -> Findings:
    return Findings(figures, 0.95, "fake", missing or {}, [], [], {}, [], {}, margin_sd=0.2)


def test_the_headline_says_what_helped_what_harmed_and_what_made_no_difference() -> None:
    assert words.headline(_findings(metrics())) == (
        "With the adapter more images are right for colour. With the adapter fewer images are right for counting. "
        "There is no significant difference for action."
    )


def test_without_any_effect_the_headline_says_so() -> None:
    accuracy = {name: line(0.4, 0.45, 0.3) for name in ("action", "colour", "counting")}
    said = words.headline(_findings({"accuracy": accuracy}))
    assert said == "There is no significant difference for action, colour and counting."


def test_without_verdicts_the_headline_gives_the_reason() -> None:
    assert words.headline(_findings({}, {"accuracy": "no judge"})) == "No accuracy was computed: no judge."
    assert words.details(_findings({})) == []


def test_details_have_interval_p_ceiling_and_equivalence() -> None:
    said = "\n".join(words.details(_findings(metrics())))
    assert "no significant difference; +1.0 points" in said
    assert "95 % interval +9.8 to +22.8, corrected p < 0.001; 20 prompts, 80 pairs" in said
    assert "The ceiling: given the complex wording, the base model alone has 82.0 %" in said
    assert "is equal within 0.2 standard deviations" in said


def test_a_ceiling_of_nothing_is_told_too() -> None:
    accuracy = {"all": line(0.0, 0.1, 0.5, p_holm=None, complex=0.0), "colour": line(0.0, 0.1, 0.5)}
    assert "the base model alone has 0.0 % right images" in words.details(_findings({"accuracy": accuracy}))[1]


def test_a_failed_equivalence_test_is_not_called_equal() -> None:
    test = {"difference": 0.1, "margin": 0.02, "p": 0.6, "p_not_worse": 0.001}
    said = [
        words.details(_findings({**metrics(), "clip_cosine_equivalence": {**test, "p_not_worse": p}}))[-1]
        for p in (0.001, 0.6)
    ]
    assert "was not shown to be equal" in said[0]
    assert said[0].endswith("(equivalence test, p 0.600), but it is no worse by more than that (p 0.001).")
    assert said[1].endswith("nor was it shown to be no worse by more than that (p 0.600).")


def test_equal_quality_by_the_judge_is_told_beside_the_fit_of_text() -> None:
    figures = {
        **metrics(),
        "judge_quality_equivalence": {"difference": 0.0, "margin": 0.02, "p": 0.01, "p_not_worse": 0.01},
    }
    said = words.details(_findings(figures))
    assert said[-2].startswith("The fit of image and prompt (CLIP cosine) is equal")
    assert said[-1] == (
        "The quality of the pictures, by the judge, is equal within 0.2 standard deviations of the base's prompt means "
        "(equivalence test, p 0.010)."
    )


def test_significance_is_decided_by_the_corrected_p() -> None:
    assert not words.is_significant(line(0.4, 0.5, 0.04), 0.95)
    assert words.is_significant(line(0.4, 0.5, 0.04, p_holm=None), 0.95)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.percent(0.4251), "42.5 %"),
        (words.points(0.1134), "+11.3"),
        (words.points(-0.1134), "−11.3"),
        (words.points(-0.0001), "0.0"),
        (words.p_value(None), "–"),
        (words.p_value(0.0004), "< 0.001"),
        (words.p_value(0.0312), "0.031"),
        (words.level(0.95), "95 %"),
        (words.interval({"low": None, "high": None}), "–"),
        (words.listed(["colour"]), "colour"),
        (words.listed(["action", "colour"]), "action and colour"),
    ],
)
def test_numbers_are_written_the_same_everywhere(written: str, expected: str) -> None:
    assert written == expected


def test_the_report_says_which_arm_clip_prefers():
    prefers = {
        0.02: "0.530, where 0.5 is a tie (CLIP prefers the adapted images, p 0.020)",
        0.3: "no significant difference",
    }
    for p, expected in prefers.items():
        figures = {**metrics(), "clip_score": {"all": {**metrics()["clip_score"]["all"], "p": p}}}
        assert expected in "\n".join(words.details(_findings(figures)))
    worse = {"adapted": 0.266, "difference": -0.467, "p": 0.0002}
    figures = {**metrics(), "clip_score": {"all": worse}}
    assert "CLIP prefers the base images, p < 0.001" in "\n".join(words.details(_findings(figures)))


def test_how_well_people_agree_is_said_for_each_task() -> None:
    mixed = [{"Ann": "adapted", "Bob": "adapted"}] * 2 + [{"Ann": "base", "Bob": "base"}, {"Ann": "base", "Bob": "tie"}]
    alike = [{"Ann": "base", "Bob": "base"}] * 2
    given = {"preference, overall": mixed, "preference, text": alike, "semantic": [{"Ann": "yes"}]}
    agreement = {task: summary(ballots, {}) for task, ballots in given.items()}
    alpha = agreement["preference, overall"]["krippendorff_alpha"]
    assert words.details(dataclasses.replace(_findings(metrics()), agreement=agreement))[-3:] == [
        f"Two people gave the same answer (preference, overall) in 75.0 % of cases; Krippendorff's α {alpha:.2f}.",
        "Two people gave the same answer (preference, text) in 100.0 % of cases; Krippendorff's α is not defined.",
        "People's agreement (semantic) was not computed: no item was judged by two reviewers.",
    ]


def test_the_adapter_is_compared_with_llm_expanded_prompts() -> None:
    against = line(0.0, 0.47, 0.004, p_holm=None, prompts=18, pairs=72, expanded=0.45)
    gain = {"difference": 0.02, "low": -0.03, "high": 0.07}
    figures = {**metrics(), "accuracy_against_expanded": {"all": {**against, **gain, "p": 0.41}}}
    said = [sentence for sentence in words.details(_findings(figures)) if "LLM-expanded" in sentence]
    assert said == [
        "With the adapter 47.0 % of images are right, the base model given LLM-expanded prompts has 45.0 % "
        "(no significant difference; +2.0 points, 95 % interval −3.0 to +7.0, p 0.410; 18 prompts, 72 pairs)."
    ]
    assert not any("LLM-expanded" in sentence for sentence in words.details(_findings(metrics())))


def test_each_further_method_has_its_sentence() -> None:
    figures = metrics()
    cells = {"sd none": figures, "sd canny": figures}
    said = words.details(_findings({**figures, "cells": cells}))
    (canny,) = [sentence for sentence in said if sentence.startswith("Method")]
    assert canny.startswith("Method canny: more right images for colour, fewer right images for counting, no signif")


def test_what_equivalence_tests_are_about_and_what_they_show() -> None:
    assert [words.compared(name) for name in ("clip_cosine", "judge_quality", "brisque")] == [
        "CLIP cosine",
        "judged image quality",
        "BRISQUE",
    ]
    assert [words.is_equal({"p": p}, 0.95) for p in (0.01, 0.2)] == [True, False]

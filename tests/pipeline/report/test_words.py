import dataclasses
from typing import Any

import pytest

from pipeline.report import numbers, words
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
    assert "The fit of image and prompt (CLIP cosine) rose significantly: 0.270 with the base model, 0.280" in said
    assert "equal" not in said


def test_a_ceiling_of_nothing_is_told_too() -> None:
    accuracy = {"all": line(0.0, 0.1, 0.5, p_holm=None, complex=0.0), "colour": line(0.0, 0.1, 0.5)}
    assert "the base model alone has 0.0 % right images" in words.details(_findings({"accuracy": accuracy}))[1]


@pytest.mark.parametrize(
    ("difference", "p", "said"),
    [
        (0.3, 0.02, "rose significantly: 0.300 with the base model, 0.600 with the adapter (+0.300, "),
        (-0.2, 0.02, "fell significantly: 0.300 with the base model, 0.100 with the adapter (−0.200, "),
        (0.3, 0.2, "did not change significantly: 0.300 with the base model"),
    ],
)
def test_fit_of_image_and_prompt_rises_or_falls_and_is_never_asked_to_stay(
    difference: float, p: float, said: str
) -> None:
    lines = {"all": line(0.3, 0.3 + difference, p, p_holm=None, mcnemar_p=None)}
    unequal = {"difference": difference, "margin": 0.02, "p": 1.0, "p_not_worse": 0.0}
    (told,) = words.details(_findings({"clip_cosine": lines, "clip_cosine_equivalence": unequal}))
    assert told.startswith(f"The fit of image and prompt (CLIP cosine) {said}")
    assert "equal" not in told


def test_equal_quality_by_the_judge_is_told_beside_the_fit_of_text() -> None:
    figures = {
        **metrics(),
        "judge_quality_equivalence": {"difference": 0.0, "margin": 0.02, "p": 0.01, "p_not_worse": 0.01},
    }
    said = words.details(_findings(figures))
    assert said[-2].startswith("The fit of image and prompt (CLIP cosine) rose")
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
        (numbers.percent(0.4251), "42.5 %"),
        (numbers.points(0.1134), "+11.3"),
        (numbers.points(-0.1134), "−11.3"),
        (numbers.points(-0.0001), "0.0"),
        (numbers.p_value(None), "–"),
        (numbers.p_value(0.0004), "< 0.001"),
        (numbers.p_value(0.0312), "0.031"),
        (numbers.level(0.95), "95 %"),
        (numbers.interval({"low": None, "high": None}), "–"),
        (numbers.listed(["colour"]), "colour"),
        (numbers.listed(["action", "colour"]), "action and colour"),
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
    worse = {"adapted": 0.266, "difference": -0.467, "p": 0.0002, "p_holm": None}
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
    (canny,) = [sentence for sentence in said if sentence.startswith("Method canny")]
    assert said[0] == "Sentences that name no method are of method none."
    assert said[1].startswith("Action: 45.0 % of images right")
    assert words.headline(_findings({**figures, "cells": cells})).startswith("Method none: with the adapter more")
    assert canny.startswith("Method canny: more right images for colour, fewer right images for counting, no signif")


def public() -> dict[str, Any]:
    """GenEval's counting better, its colours worse, a benchmark of one task the same."""
    return {
        "dpg_bench": line(0.5, 0.52, 0.8),
        "geneval_colors": line(0.6, 0.4, 0.001),
        "geneval_counting": line(0.2, 0.5, 0.001),
        "all": line(0.4, 0.5, 0.01, p_holm=None),
    }


def test_a_public_benchmarks_tasks_are_compared_as_skills_are() -> None:
    assert words.headline(_findings({"accuracy": public()})) == (
        "With the adapter more images are right for GenEval counting. With the adapter fewer images are right for "
        "GenEval colors. There is no significant difference for DPG-Bench."
    )
    said = words.details(_findings({"accuracy": public()}))
    assert [sentence.split(":")[0] for sentence in said] == ["DPG-Bench", "GenEval colors", "GenEval counting"]
    told = words.verdict("Method canny", public(), 0.95)
    assert told.startswith(
        "Method canny: more right images for GenEval counting, fewer right images for GenEval colors, "
    )
    assert "; all +10.0 points" in told


def test_the_sum_is_of_all_three_only_where_there_are_just_the_three() -> None:
    own = metrics()["accuracy"]
    assert words.called("all", own) == "all three"
    assert words.called("all", {**own, "geneval_colors": {}}) == "all"
    assert words.called("all", {"colour": {}, "all": {}}) == "all"
    assert words.skills({**public(), **own})[:4] == ["action", "colour", "counting", "dpg_bench"]
    assert [words.called(name, {}) for name in ("t2i_compbench_color", "parti_prompts_world_knowledge")] == [
        "T2I-CompBench color",
        "PartiPrompts world knowledge",
    ]


def test_a_sum_over_methods_is_decided_by_its_corrected_p() -> None:
    lines = {"all": line(0.47, 0.53, 0.03, p_holm=0.06, mcnemar_p=None)}
    (said,) = words.details(_findings({"clip_score": lines}))
    assert "no significant difference, p 0.060" in said


def test_further_judges_have_a_sentence_each() -> None:
    said = words.details(_findings({**metrics(), "other_judges": {"people": metrics()["accuracy"]}}))
    (people,) = [sentence for sentence in said if "people" in sentence]
    assert people.startswith("Judged by people: more right images for colour, fewer right images for counting, no")


def test_words_unseen_in_training_are_told_apart_in_one_sentence() -> None:
    seen, unseen = line(0.083, 0.917, 0.0001, p_holm=None), line(0.107, 0.048, 0.4, p_holm=None)
    wordings = {"seen": {"all": {**seen, "prompts": 39}}, "unseen": {"all": {**unseen, "prompts": 21}}}
    said = words.details(_findings({"accuracy_by_wording": wordings}))
    assert said == [
        "By wording, base model → adapter: of the 39 prompts with words of the training prompts 8.3 % → 91.7 %, "
        "p < 0.001; of the 21 prompts with words unseen in training 10.7 % → 4.8 %, p 0.400."
    ]

import pytest

from pipeline.studies.definitions import THE_ALIGNMENT, THE_LLM, Contrast, Study
from pipeline.studies.sentences import Findings, sentences
from tests.pipeline.report.folder import line
from tests.pipeline.studies.made_outcomes import judged, outcome

SAME, BETTER, WORSE = (0.4, 0.4, 0.9), (0.4, 0.6, 0.001), (0.4, 0.2, 0.001)


def findings(name="ablation", outcomes=(), contrasts=(), failed=None, rows=5):
    study = Study(name, "Title", [None] * rows)
    return Findings(study, outcomes, failed or {}, contrasts, 0.95, {})


def about(thing, *kinds):
    """Contrasts about a thing; each kind is (action, colour, counting)."""
    return [(Contrast(thing, f"in case {place}", "a", "b"), judged(*kind)) for place, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([(SAME, SAME, SAME)] * 2, "does not help here: in none of 2 comparisons a skill changes significantly."),
        ([(SAME, SAME, SAME), (BETTER, SAME, SAME)], "helps here for action (in at least one of 2"),
        ([(SAME, SAME, WORSE), (SAME, SAME, SAME)], "does not help here and harms for counting (in at least"),
        ([(BETTER, SAME, SAME), (WORSE, SAME, SAME)], "helps here for action and harms for action (in at least"),
    ],
)
def test_the_conclusion_follows_from_the_comparisons(kinds, said):
    assert f"{THE_LLM} {said}" in sentences(findings(contrasts=about(THE_LLM, *kinds)))[0]


def test_a_single_comparison_needs_no_conclusion_and_each_thing_has_its_own():
    contrasts = [*about(THE_LLM, (SAME,) * 3, (SAME,) * 3), *about(THE_ALIGNMENT, (BETTER,) * 3)]
    said = sentences(findings(contrasts=contrasts))
    assert sum("does not help here" in sentence for sentence in said) == 1
    assert not any(sentence.startswith(f"{THE_ALIGNMENT} helps") for sentence in said)


def test_a_comparison_is_told_with_its_figures():
    (said,) = sentences(findings(contrasts=about(THE_LLM, (BETTER, SAME, WORSE))))
    assert said.startswith("The LLM loss in case 0: more right images for action, fewer right images for counting, ")
    assert "no significant difference for colour (action +20.0 points, +14.0 to +27.0, p 0.002; colour" in said
    (none,) = sentences(findings(contrasts=[(Contrast(THE_LLM, "with layer 1", "a", "b"), {})]))
    assert none == "The LLM loss with layer 1: not compared, no image was judged."


@pytest.mark.parametrize(("good", "verdict"), [(5, "reached"), (4, "reached"), (3, "not reached"), (0, "not reached")])
def test_the_seeds_verdict_counts(good, verdict):
    gain, none = judged(BETTER, BETTER, SAME), judged(SAME, BETTER, SAME)
    rows = [outcome(str(seed), accuracy=gain if seed < good else none) for seed in range(5)]
    said = sentences(findings("seeds", rows))
    assert said[0].startswith(f"In {good} of 5 seeds 2 of the 3 skills gain at least 10 points")
    assert said[0].endswith(f"At least 4 of 5 are asked for: {verdict}.")
    assert said[2] == (
        "Colour over 5 seeds: mean difference +20.0 points, standard deviation 0.0 (from +20.0 to +20.0)."
    )


def test_one_seed_has_no_standard_deviation_and_failed_ones_are_told():
    found = findings("seeds", [outcome("0")], failed={"seed 1": "loss is not finite"})
    said = sentences(found)
    assert said[0].startswith("In 0 of 1 seeds")
    assert "standard deviation not defined" in said[1]
    assert said[-1] == "Without a result: seed 1 (loss is not finite)."


def test_without_verdicts_nothing_is_claimed():
    assert sentences(findings("seeds", [outcome(accuracy={})])) == []


def test_the_best_layer_is_named_with_ties():
    def layer(number, adapted):
        return outcome(
            str(number), accuracy={"all": line(0.4, adapted, 0.3, p_holm=None)}, layer=number, label=f"layer {number}"
        )

    said = sentences(findings("layers", [layer(1, 0.5), layer(10, 0.6), layer(20, 0.6), outcome("control")]))
    assert (
        said[0]
        == "Over all prompts most images are right with layer 10 and layer 20 (60.0 %), fewest with layer 1 (50.0 %)."
    )
    said = sentences(findings("layers", [layer(1, 0.5), layer(10, 0.5)]))
    assert said[0] == "All layers have the same share of right images over all prompts, 50.0 %."
    assert not any("layer" in sentence for sentence in sentences(findings("layers", [layer(1, 0.5)])))


def test_base_and_ceiling_are_told_where_all_rows_share_them():
    plain, other = judged(SAME, SAME, SAME), judged(BETTER, SAME, SAME)
    assert sentences(findings(outcomes=[outcome(accuracy=plain), outcome(accuracy=other)])) == [
        "Given the simple prompts the base model has 40.0 % right images."
    ]
    with_ceiling = judged(SAME, SAME, SAME, complex=0.8)
    assert sentences(findings(outcomes=[outcome(accuracy=with_ceiling)])) == [
        "Given the simple prompts the base model has 40.0 % right images, given the complex ones (the ceiling) 80.0 %."
    ]
    assert sentences(findings(outcomes=[outcome(accuracy=plain), outcome(accuracy=with_ceiling)])) == []


def test_equal_quality_is_counted():
    tests = [{"difference": 0.0, "margin": 0.1, "p": p, "p_not_worse": p} for p in (0.01, 0.3, 0.99)]
    rows = [outcome(accuracy={}, judge_quality_equivalence=test, clip_cosine_equivalence=test) for test in tests]
    assert sentences(findings(outcomes=[*rows, outcome(accuracy={})])) == [
        "Judged image quality was shown to equal the base model's, within the margin, in 1 of 3 rows (TOST), "
        "to be no worse by more than that in 1, and to be worse by more than that in 1."
    ]


def test_each_method_of_a_row_has_its_sentence():
    drawn = [outcome("a", label="the flat style", method=name) for name in ("none", "canny")]
    said = sentences(findings("methods", drawn))
    assert said[0].startswith("The flat style, none: more right images for colour, no significant difference for")
    assert said[1].startswith("The flat style, canny: ")


def test_tasks_of_public_benchmarks_are_concluded_on_too():
    better = {"geneval_counting": line(*BETTER), "all": line(*BETTER, p_holm=None)}
    contrasts = [(Contrast(THE_LLM, f"in case {place}", "a", "b"), better) for place in range(2)]
    said = sentences(findings(contrasts=contrasts))
    assert said[0].startswith(f"{THE_LLM} helps here for GenEval counting (in at least one")
    assert "more right images for GenEval counting (GenEval counting +20.0 points" in said[1]
    said = sentences(findings("seeds", [outcome(accuracy=better)]))
    assert said[1].startswith("GenEval counting over 1 seeds: mean difference +20.0 points")


def test_a_row_that_stands_alone_has_its_sentence():
    said = sentences(findings("nine", [outcome("a", label="nine prompts")], rows=1))
    assert said[0].startswith("Nine prompts: more right images for colour, no significant difference for action")
    assert not any(sentence.startswith("Row a:") for sentence in sentences(findings("nine", [outcome("a")], rows=2)))

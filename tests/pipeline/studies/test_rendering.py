import json
from dataclasses import replace

from pipeline.studies import rendering
from pipeline.studies.definitions import THE_LLM, Contrast, Study
from pipeline.studies.rendering import as_json
from pipeline.studies.sentences import Findings, sentences
from tests.pipeline.report.folder import line
from tests.pipeline.studies.made_outcomes import judged, outcome

EQUAL = {"difference": 0.004, "margin": 0.02, "p": 0.01, "p_not_worse": 0.01}


def findings(outcomes, name="ablation", failed=None, contrasts=()):
    return Findings(Study(name, "Ablation", [None] * 4), outcomes, failed or {}, contrasts, 0.95, {})


def as_markdown(found, *charts):
    return rendering.as_markdown(as_json(found), charts)


def cells(page, label):
    """The cells of the table line that starts with this label."""
    (found,) = [text for text in page.splitlines() if text.startswith(f"| {label} |")]
    return [cell.strip() for cell in found.strip("|").split(" | ")]


def test_each_row_stands_below_base_and_ceiling():
    page = as_markdown(
        findings([outcome("both", clip_score={"all": {"adapted": 0.512}}), outcome("none")]), "a.png", "a-losses.png"
    )
    assert cells(page, "base model, simple prompts") == [
        "base model, simple prompts",
        *["40.0 %"] * 4,
        "–",
        "0.07000",
    ]
    assert cells(page, "base model, complex prompts (ceiling)")[1:] == [*["80.0 %"] * 4, "–", "0.04900"]
    both = cells(page, "row both")
    assert both[1] == "50.0 % (+10.0; +4.0 to +17.0; p 0.600)"
    assert both[5:] == ["0.512", "0.05100"]
    assert cells(page, "row none")[5] == "–"
    assert "![Ablation](a.png)\n\n![Ablation: losses](a-losses.png)\n" in page
    assert "action 20 prompts, 80 pairs" in page


def test_rows_whose_base_model_differs_show_both():
    other = judged(action=(0.1, 0.5, 0.3))
    page = as_markdown(findings([outcome("a"), outcome("b"), outcome("c", accuracy=other)]))
    bases = [text for text in page.splitlines() if text.startswith("| base model, simple prompts")]
    assert len(bases) == 2
    assert page.index("row b") < page.index(bases[1]) < page.index("| row c")
    assert "![" not in page


def test_seeds_share_the_base_models_lines_though_their_validation_noise_differs():
    first, second = outcome("a"), outcome("b")
    second = replace(second, validation={"adapted": 0.05, "base": 0.08, "complex": 0.049})
    page = as_markdown(findings([first, second]))
    assert cells(page, "base model, simple prompts")[-1] == "differs"
    assert cells(page, "base model, complex prompts (ceiling)")[-1] == "0.04900"
    assert [cells(page, f"row {key}")[-1] for key in "ab"] == ["0.05100", "0.05000"]


def test_equivalence_tests_have_columns_where_there_are_any():
    equal = {"brisque_equivalence": {**EQUAL, "difference": 0.04}}
    tested = outcome("a", **equal, judge_quality_equivalence={**EQUAL, "p": 0.4}, clip_cosine_equivalence=EQUAL)
    page = as_markdown(findings([tested, outcome("b", **equal)]))
    assert "| Equal in BRISQUE | Equal in judged image quality |" in page
    assert "Equal in CLIP cosine" not in page
    assert cells(page, "row a")[-2:] == ["equal (+0.04, p 0.010)", "no worse (+0.004, p 0.010)"]
    assert cells(page, "row b")[-2:] == ["equal (+0.04, p 0.010)", "–"]
    assert "Equal in" not in as_markdown(findings([outcome("a")]))


def test_comparisons_have_a_table_with_figures_or_dashes():
    pairs = [
        (Contrast(THE_LLM, "beside | the other", "a", "b"), {"action": line(0.4, 0.5, 0.01)}),
        (Contrast(THE_LLM, "alone", "a", "b"), {}),
    ]
    page = as_markdown(findings([outcome("a")], contrasts=pairs))
    assert "| The LLM loss beside \\| the other | +10.0; +4.0 to +17.0; p 0.020 | – | – | – |" in page
    assert cells(page, "The LLM loss alone")[1:] == ["–"] * 4
    assert "Rows against each other" not in as_markdown(findings([outcome("a")]))


def test_rows_without_verdicts_validation_or_result_are_shown_as_such():
    bare = outcome("bare", accuracy={})
    bare.validation.clear()
    page = as_markdown(findings([bare], failed={"seed 1": "killed"}))
    assert cells(page, "row bare") == ["row bare", *["–"] * 6]
    assert cells(page, "seed 1")[1] == "no result"
    assert "no image was judged" in page
    assert "- Without a result: seed 1 (killed)." in page


def test_settings_of_each_row_are_listed():
    plain = outcome("b")
    plain.row.overrides.clear()
    page = as_markdown(findings([outcome("a"), plain]))
    assert "- row a: `loss.llm_weight: 0.0` (experiment `ablation-a-12345678`)" in page
    assert "- row b: nothing changed (" in page


def test_the_figures_are_the_same_as_json():
    rows = [outcome(str(seed), clip_cosine_equivalence=EQUAL) for seed in range(2)]
    found = findings(
        rows, "seeds", {"seed 2": "killed"}, [(Contrast(THE_LLM, "", "a", "b"), {"all": line(0.4, 0.5, 0.5)})]
    )
    content = json.loads(json.dumps(as_json(found)))
    assert content["sentences"] == sentences(found)
    assert content["seeds_that_hold"] == 0
    assert content["spread"]["colour"]["count"] == 2
    assert content["without_result"] == {"seed 2": "killed"}
    first = content["rows"][0]
    assert first["accuracy"]["colour"]["adapted"] == 0.6
    assert first["gained"] == ["colour"]  # action gains as much, with a p that says nothing
    assert first["clip_score"] is None
    assert first["equivalence"] == {"clip_cosine": EQUAL}
    assert first["run"]["layer"] == 20
    assert content["command"] == "sur study seeds"
    assert content["contrasts"][0]["figures"] == {"all": line(0.4, 0.5, 0.5)}
    assert "spread" not in as_json(findings(rows))


def test_the_curve_of_a_training_is_kept_once():
    curve = [(50, 0.0400043354), (100, 0.03)]
    plain, canny = (outcome("a", method=name, curve=found) for name, found in (("none", curve), ("canny", ())))
    first, second = as_json(findings([plain, canny]))["rows"]
    assert first["curve"] == [[50, 0.0400043], [100, 0.03]]
    assert "curve" not in second

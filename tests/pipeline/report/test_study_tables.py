from pipeline.report.layout import Table
from pipeline.report.study_tables import tables
from pipeline.report.words import P_DECIDES
from tests.pipeline.report.folder import line
from tests.pipeline.report.made_studies import EQUAL, row, skills, study

SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
OF_PAPER = {"diffusion": SD15, "llm": "huggyllama/llama-13b", "layer": 10}


def _texts(table: Table) -> list[list[str]]:
    assert all(len(cells) == len(table.head) for cells in table.rows)
    return [[cell.whole for cell in cells] for cells in table.rows]


def test_rows_stand_below_the_base_models_with_the_pictures_quality() -> None:
    brisque = line(13.85, 14.78, 0.2)
    (table,) = tables(study([row("layer 1", quality={"brisque": brisque}, equivalence={"brisque": EQUAL})]))
    assert table.head[5:] == ["CLIP score", "BRISQUE ↓", "Validation loss", "Equal in BRISQUE"]
    simple, ceiling, layer = _texts(table)
    assert simple == ["base model, simple prompts", *["40.0 %"] * 4, "–", "13.85", "0.07000", "–"]
    assert ceiling[5:8] == ["–", "–", "0.04900"]
    assert layer[2] == "56.9 % (+16.9; +10.9 to +23.9; p < 0.001)"
    assert layer[6] == "14.78 (+0.93; +0.87 to +1.00; p 0.200)"
    assert layer[8] == "equal (0.00, p 0.010)"


def test_only_significant_differences_are_marked() -> None:
    (table,) = tables(study([row("layer 1")]))
    assert [cell.kind for cell in table.rows[-1][1:5]] == ["", "better", "worse", "better"]
    assert P_DECIDES in table.note


def test_each_method_of_each_training_has_a_line_with_its_own_base() -> None:
    rows = [
        row("flat", method="none", accuracy=skills(0.1), quality={"clip_iqa": line(0.6, 0.7, 0.03)}),
        row("flat", method="canny", accuracy=skills(0.9), clip_score=None),
        row("cartoon", method="none"),
    ]
    (table,) = tables(study(rows))
    plain, canny, cartoon = _texts(table)
    assert table.head[:3] == ["Row", "Method", "Action"]
    assert (plain[:2], canny[:2], cartoon[:2]) == (["flat", "none"], ["flat", "canny"], ["cartoon", "none"])
    assert plain[2].startswith("10.0 % → 46.0 % (+36.0; ")
    assert canny[2].startswith("90.0 % → 46.0 % (−44.0; ")
    assert (plain[7], canny[6:8]) == ("0.600 → 0.700 (+0.100; +0.040 to +0.170; p 0.030)", ["–", "–"])


def test_what_the_paper_printed_stands_in_grey_below_its_row() -> None:
    rows = [
        row("layer 10", OF_PAPER, quality={"brisque": line(1.0, 2.0, 0.5)}),
        row("layer 7", {**OF_PAPER, "layer": 7}),
    ]
    (table,) = tables(study(rows))
    _, _, _, paper, last = _texts(table)
    assert paper[:5] == ["the paper", "75.33 → 74", "81.33 → 84.67", "14.67 → 34", "–"]
    assert paper[5:] == ["0.502", "13.85 → 15.28", "–"]
    assert last[0] == "layer 7"
    assert {cell.kind for cell in table.rows[3]} == {"grey"}


def test_the_papers_figures_of_a_method_stand_below_that_method() -> None:
    run = {**OF_PAPER, "layer": 40}
    (table,) = tables(study([row("sd", run, method="none"), row("sd", run, method="sag")]))
    texts = _texts(table)
    assert [cells[0] for cells in texts] == ["sd", "the paper", "sd", "the paper"]
    assert (texts[1][3], texts[3][3]) == ("81.33 → 87.33", "86 → 86.67")


def test_trainings_that_left_nothing_and_figures_that_are_not_there_are_dashes() -> None:
    bare = row("bare", accuracy={}, clip_score=None, validation={})
    (table,) = tables(study([bare], without_result={"layer 2": "killed"}))
    *_, layer, lost = _texts(table)
    assert layer == ["bare", *["–"] * 6]
    assert lost[:2] == ["layer 2", "no result"]
    assert "no image was judged" in table.note


def test_rows_against_each_other_have_a_table() -> None:
    contrast = {"about": "The LLM loss", "where": "with layer 1", "figures": {"action": line(0.4, 0.5, 0.01)}}
    _, table = tables(study([row("a")], contrasts=[contrast]))
    assert _texts(table) == [["The LLM loss with layer 1", "+10.0; +4.0 to +17.0; p 0.020", "–", "–", "–"]]


def test_a_training_shows_its_prompts_beside_the_papers_where_it_printed_them() -> None:
    asked = {"type": "counting", "base": 0.25, "adapted": 0.5}
    own, printed = {**asked, "text": "three stars"}, {**asked, "text": "Seven vintage glass bottles."}
    _, table = tables(study([row("nine", prompts=[own, printed])]))
    assert _texts(table) == [
        ["three stars", "counting", "25.0 %", "50.0 %", "+25.0", "–"],
        ["Seven vintage glass bottles.", "counting", "25.0 %", "50.0 %", "+25.0", "0 → 36.92"],
    ]
    assert (table.title, table.head[-1]) == ("Table 7: prompt by prompt: nine", "Paper: base → adapter")
    assert "Over all 20 prompts 40.0 % → 47.0 %, Δ +7.0: p 0.004 by sign flips over prompts" in table.note
    _, table = tables(study([row("nine", prompts=[{"text": "x", "type": "colour", "base": 0.5}])]))
    assert _texts(table) == [["x", "colour", "50.0 %", "–", "–"]]
    assert table.title == "Prompt by prompt: nine"
    (_, unjudged) = tables(study([row("nine", accuracy={}, prompts=[own])]))
    assert unjudged.note == "Share of right images; Δ in percentage points."


def test_tasks_of_public_benchmarks_have_columns() -> None:
    public = {"geneval_colors": line(0.4, 0.6, 0.001), "all": line(0.4, 0.6, 0.001, p_holm=None)}
    contrast = {"about": "It", "where": "here", "figures": public}
    first, second = tables(study([row("a", accuracy=public), row("b", accuracy={})], contrasts=[contrast]))
    assert first.head[:4] == ["Row", "GenEval colors", "All", "CLIP score"]
    assert second.head == ["", "GenEval colors", "All"]
    assert "Evaluated: GenEval colors 20 prompts, 80 pairs." in first.note
    assert _texts(second)[0][1] == "+20.0; +14.0 to +27.0; p 0.002"


def test_pictures_that_are_worse_by_more_than_the_margin_are_called_so_and_fit_is_not_asked_to_stay() -> None:
    worse = {"difference": -0.06, "margin": 0.02, "p": 0.998, "p_not_worse": 0.998}
    (table,) = tables(study([row("a", equivalence={"judge_quality": worse, "clip_cosine": EQUAL})]))
    assert table.head[-1] == "Equal in judged image quality"
    assert _texts(table)[-1][-1] == "worse (−0.060, p 0.002)"

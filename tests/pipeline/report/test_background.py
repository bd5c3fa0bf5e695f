from pathlib import Path

from pipeline.report import background
from pipeline.report.collect import Model, Step
from tests.pipeline.report.test_layout import _findings, _texts


def test_the_funnel_says_what_was_dropped_and_survives_an_empty_stage(tmp_path: Path) -> None:
    findings = _findings(tmp_path)
    table = _texts(background.funnel_table([*findings.funnel, Step("none", 0, 0, {})]))
    assert table["clip_filter"] == ["899", "520", "57.8 %", "simple_scores_lower 379"]
    assert table["none"] == ["0", "0", "–", ""]


def test_a_model_shows_its_headline_figures_and_how_many_more_there_are() -> None:
    measured = {"loss": 0.6842, "meaning_tokens_right_unseen": 1.0, "sentences": 256.0}
    (model,) = background.models([Model("LLM", "here", "abc", measured)])
    assert (model.role, model.name) == ("LLM", "here @ abc")
    assert model.figures == ["loss 0.6842", "meaning tokens right unseen 1"]
    assert model.note == "1 more in its quality.json"


def test_a_model_of_other_figures_shows_the_first_of_them_and_one_of_none_says_why() -> None:
    measured = {f"figure_{number}": float(number) for number in range(8)}
    few, many, none = background.models(
        [
            Model("LLM", "a", "1", {"accuracy": 0.5}),
            Model("LLM", "b", "1", measured),
            Model("LLM", "c", "1", note="see its own card"),
        ]
    )
    assert (few.figures, few.note) == (["accuracy 0.5"], "")
    assert (len(many.figures), many.figures[0], many.note) == (6, "figure 0 0", "2 more in its quality.json")
    assert (none.figures, none.note) == ([], "see its own card")

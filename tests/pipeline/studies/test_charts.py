from PIL import Image

from pipeline.studies.charts import draw
from tests.pipeline.studies.made_outcomes import judged, outcome


def points(panel):
    return [
        (round(line.get_xdata()[0], 6), round(line.get_ydata()[0], 6))
        for line in panel.get_lines()
        if line.get_marker() == "s"
    ]


def levels(panel, axis):
    lines = [line for line in panel.get_lines() if not line.get_label().startswith("_")]
    return {line.get_label().split(", ")[1]: round((line.get_xdata, line.get_ydata)[axis]()[0], 6) for line in lines}


def test_rows_stand_below_each_other_in_a_panel_a_skill(tmp_path, axes):
    rows = [outcome("a", label="row a (control)"), outcome("b", accuracy=judged(action=(0.4, 0.2, 0.01), complex=0.8))]
    assert draw(rows, tmp_path / "x.png", confidence=0.95)
    with Image.open(tmp_path / "x.png") as drawn:
        assert drawn.width > 1000
    assert [panel.get_title(loc="left") for panel in axes] == [
        f"{skill} (base 40.0 %)" for skill in ("Action", "Colour", "Counting")
    ]
    assert points(axes[0]) == [(10.0, 2), (-20.0, 1)]
    assert levels(axes[0], 0) == {"simple prompts": 0, "complex prompts (ceiling)": 40.0}
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["row a", "row b"]


def test_methods_stand_below_each_other_without_a_common_base_or_ceiling(tmp_path, axes):
    plain = outcome("a", label="flat, as ever", method="none")
    canny = outcome("a", label="flat, as ever", method="canny", accuracy=judged(action=(0.9, 0.95, 0.01)))
    assert draw([plain, canny], tmp_path / "x.png", confidence=0.95)
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["flat, none", "flat, canny"]
    assert [panel.get_title(loc="left") for panel in axes] == [
        "Action",
        "Colour (base 40.0 %)",
        "Counting (base 40.0 %)",
    ]
    assert levels(axes[0], 0) == {"simple prompts": 0}


def test_layers_stand_beside_each_other_and_the_control_to_their_right(tmp_path, axes):
    rows = [outcome("1", layer=1), outcome("40", layer=40), outcome("control", label="no LLM (control)")]
    assert draw(rows, tmp_path / "x.png", confidence=0.95)
    assert points(axes[1]) == [(1, 20.0), (40, 20.0), (52.0, 20.0)]
    assert [label.get_text() for label in axes[1].get_xticklabels()] == ["1", "40", "no LLM"]
    assert levels(axes[1], 1) == {"simple prompts": 0, "complex prompts (ceiling)": 40.0}


def test_ceiling_and_interval_are_left_out_where_there_are_none(tmp_path, axes):
    bare = judged()
    bare["action"]["low"] = bare["action"]["high"] = None
    for layer in (None, 1):
        assert draw([outcome("a", accuracy=bare, layer=layer)], tmp_path / "x.png", confidence=0.95)
        assert len(levels(axes[0], 0)) == 1
        ends = [line for line in axes[0].get_lines() if len(line.get_xdata()) == 2 and line.get_linewidth() == 2]
        assert ends == []


def test_the_same_figures_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw([outcome("a"), outcome("b")], tmp_path / name, confidence=0.95)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_verdicts_there_is_no_chart(tmp_path):
    assert not draw([outcome(accuracy={})], tmp_path / "x.png", confidence=0.95)
    assert list(tmp_path.iterdir()) == []


def test_tasks_of_public_benchmarks_have_panels(tmp_path, axes):
    public = {"geneval_colors": judged()["colour"], "all": judged()["all"]}
    assert draw([outcome("a", accuracy=public)], tmp_path / "x.png", confidence=0.95)
    assert [panel.get_title(loc="left") for panel in axes] == ["GenEval colors (base 40.0 %)"]


def test_a_row_without_a_skill_leaves_its_line_empty(tmp_path, axes):
    without = judged()
    del without["counting"]
    rows = [outcome("a"), outcome("b", accuracy=without), outcome("c")]
    assert draw(rows, tmp_path / "x.png", confidence=0.95)
    assert [height for _, height in points(axes[1])] == [3, 2, 1]
    assert [height for _, height in points(axes[2])] == [3, 1]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["row a", "row b", "row c"]

from PIL import Image

from pipeline.studies.loss_chart import LOOKS, draw


def row(label, *losses):
    return {"label": label, "curve": [[50 * (step + 1), loss] for step, loss in enumerate(losses)]}


def test_each_training_has_a_curve_and_its_name_beside_the_axes(tmp_path, axes):
    method = {"label": "zero"}
    assert draw([row("zero", 0.04, 0.03), method, row("Kaiming", 0.5, 0.2, 0.1)], tmp_path / "x.png")
    (panel,) = axes
    assert panel.get_yscale() == "log"
    drawn = {line.get_label(): list(line.get_ydata()) for line in panel.get_lines()}
    assert drawn == {"zero": [0.04, 0.03], "Kaiming": [0.5, 0.2, 0.1]}
    assert list(panel.get_lines()[1].get_xdata()) == [50, 100, 150]
    (legend,) = panel.figure.legends
    assert legend.get_window_extent().x0 >= panel.get_window_extent().x1
    assert [text.get_text() for text in legend.get_texts()] == ["zero", "Kaiming"]


def test_a_training_that_was_looked_at_once_is_a_dot(tmp_path, axes):
    draw([row("a", 0.04), row("b", 0.04, 0.03)], tmp_path / "x.png")
    assert [line.get_marker() for line in axes[0].get_lines()] == ["o", "None"]


def test_of_very_many_trainings_the_first_have_names_and_the_others_one(tmp_path, axes):
    draw([row(str(number), 0.1 + 0.01 * number, 0.05) for number in range(len(LOOKS) + 3)], tmp_path / "x.png")
    lines = axes[0].get_lines()
    assert len(lines) == len(LOOKS) + 3
    names = [line.get_label() for line in lines if not line.get_label().startswith("_")]
    assert names == ["3 more", *(str(number) for number in range(len(LOOKS)))]
    named = [line for line in lines if line.get_label().isdigit()]
    assert len({(line.get_color(), line.get_linestyle()) for line in named}) == len(LOOKS)
    (legend,) = axes[0].figure.legends
    assert legend.get_window_extent().y0 >= 0
    with Image.open(tmp_path / "x.png") as drawn:
        assert drawn.height < 800


def test_the_same_curves_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw([row("a", 0.04, 0.03)], tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_curves_there_is_no_chart(tmp_path):
    assert not draw([{"label": "old"}, {"label": "bare", "curve": []}], tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []
